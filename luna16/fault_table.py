"""Show what a check found, by kind, and what may be used. No line names a scan by its UID."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from luna16.faults import Fault
from luna16.verify import Report


def show_report(report: Report, console: Console) -> None:
    """Print the faults by kind, then the sums."""
    if report.faults:
        console.print(draw_faults(report.faults))
    for note in report.notes:
        console.print(Text(f"Note: {note}"))
    rows = ", ".join(f"{number} rows of {name}" for name, number in report.num_rows.items())
    console.print(Text(f"Checked {len(report.scans)} scans and {rows}."))
    if report.set_aside:
        console.print(Text(f"{len(report.sound)} scans are sound; set aside: {len(report.set_aside)}."))
    elif report.faults:
        console.print(Text("All scans are sound, but something else is wrong."))
    else:
        console.print(Text("All is sound."))


def draw_faults(faults: tuple[Fault, ...]) -> Table:
    """Give a table with a row a kind: how many there are, the first of them, and what to do."""
    table = Table("what is wrong", "number", "for example, and what to do", box=box.SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for kind in dict.fromkeys(fault.kind for fault in faults):
        found = [fault for fault in faults if fault.kind is kind]
        text = Text(f"{found[0].place}: {found[0].detail}\n").append(kind.advice, style="bold")
        table.add_row(Text(kind.title), str(len(found)), text)
    return table
