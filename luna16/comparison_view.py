"""A comparison as people read it in a terminal: a table of the models, and a sentence for each site."""

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from luna16.bootstrap import FEWEST_SCANS
from luna16.comparison import ALONE, CENTRAL, FEDERATED, Arm
from luna16.comparison_report import ComparisonReport, Gain, Spread, Verdict


def draw_arms(report: ComparisonReport) -> Table:
    """Give a line for each model, with its scores on all test scans."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("model", overflow="fold")
    for name in ("CPM", "ROC AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in report.arms:
        table.add_row(each.arm.name, *(str(value or "-") for value in (each.cpm, each.auc)))
    return table


def describe_test(report: ComparisonReport) -> str:
    """Say what was compared and how."""
    seeds = f"mean ± standard deviation over {report.num_seeds} seeds" if report.num_seeds > 1 else "one seed"
    return (
        f"{report.num_scans} test scans of all sites, {report.num_nodules} nodules; "
        f"{report.rounds} rounds of {report.steps} steps; {seeds}"
    )


def list_sentences(report: ComparisonReport) -> Iterator[str]:
    """Say how the federated model does beside the others, and what each site gained."""
    yield from _describe_federated({each.arm: each.cpm for each in report.arms if each.cpm})
    yield from map(describe_gain, report.gains)


def describe_gain(gain: Gain) -> str:
    """Say whether a site gained, in one sentence with its numbers."""
    test = f"{gain.num_scans} test scans of its own with {gain.num_nodules} nodules"
    if gain.difference is None:
        return f"For '{gain.site}' nothing can be told: {test} give no CPM."
    cpms = f"the federated model has a CPM of {gain.federated:.3f}, its own model {gain.alone:.3f}"
    if gain.interval is None:
        few = f"which may be chance with fewer than {FEWEST_SCANS} scans"
        return f"For '{gain.site}' nothing can be told yet: on {test} {cpms}, {few}."
    low, high = gain.interval
    numbers = f"on {test} {cpms} ({gain.difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})"
    if gain.verdict is Verdict.UNCLEAR:
        return f"For '{gain.site}' no difference could be shown: {numbers}."
    return f"'{gain.site}' {gain.verdict}: {numbers}."


def _describe_federated(cpms: Mapping[Arm, Spread]) -> Iterator[str]:
    """Compare the mean CPMs on all test scans, if these define any."""
    if not cpms:
        return
    central, federated = cpms[Arm(CENTRAL)].mean, cpms[Arm(FEDERATED)].mean
    best, name = max((cpm.mean, arm.site) for arm, cpm in cpms.items() if arm.kind == ALONE)
    share = f"{100 * federated / central:.0f} % of " if central else "beside "
    more = "more than any site reaches alone" if federated > best else "not more than the best site alone"
    yield (
        f"On all test scans the federated model has a CPM of {federated:.3f}: {share}the central model's "
        f"{central:.3f}, and {more} (at best '{name}', {best:.3f})."
    )
