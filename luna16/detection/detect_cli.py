"""``luna16 detect``: find the nodules of one chest CT."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from luna16.terminal import DeviceOption, JsonOption, VerboseOption, open_progress

if TYPE_CHECKING:  # torch takes a while to import, and most commands need none
    import torch

    from luna16.detection.detector import Detector
    from luna16.detection.result import Result
    from luna16.detection.stages import OnProgress
    from luna16.scan import Scan

ModelOption = Annotated[
    str, typer.Option(metavar="RUN|FILE", help="Run id, run folder, or model file (.safetensors).")
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="calibration.json of luna16 detect-all, in place of the model's own."),
]


@dataclass(frozen=True)
class Choice:
    """Which marks are shown."""

    min_probability: float
    max_nodules: int


@dataclass(frozen=True)
class Targets:
    """What is written, if anything."""

    out: Path | None
    view: Path | None


def detect(
    scan: Annotated[Path, typer.Argument()],
    model: ModelOption,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="New folder for JSON, CSV and label map.")
    ] = None,
    view: Annotated[
        Path | None, typer.Option(metavar="FILE", help="New file for the voxels that a slice viewer reads.")
    ] = None,
    calibration: CalibrationOption = None,
    min_probability: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Leave out what is less likely.")
    ] = 0.1,
    max_nodules: Annotated[int, typer.Option(min=1, max=255, metavar="N", help="Show so many at most.")] = 20,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    progress_json: Annotated[
        bool, typer.Option("--progress-json", help="Tell of each step in a line of JSON on stderr.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Find the nodules in SCAN: .mhd, .nii, .nii.gz, .nrrd, a DICOM folder or a .zip of one of them.

    Research use only, not for diagnosis.
    """
    from luna16.detection.marks import NOTICE
    from luna16.detection.model_choice import find_model, load_detector
    from luna16.detection.publishing import check_new
    from luna16.detection.result import draw_result
    from luna16.model import select_device

    for path in filter(None, (out, view)):
        check_new(path)
    detector = load_detector(find_model(model), calibration=calibration)
    choice = Choice(min_probability=min_probability, max_nodules=max_nodules)
    with show_stages(as_json=progress_json) as on_progress:
        result = _detect(scan, detector, choice, Targets(out, view), select_device(device), on_progress)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2))
        return
    Console(markup=False, emoji=False, highlight=False).print(draw_result(result))
    for line in (*result.detection.warnings, NOTICE):
        typer.echo(line)


def _detect(
    path: Path,
    detector: "Detector",
    choice: Choice,
    targets: Targets,
    device: "torch.device",
    on_progress: "OnProgress",
) -> "Result":
    """Read the scan, find its nodules and write what was asked for."""
    from luna16.detection.detector import detect_nodules
    from luna16.detection.marks import choose_marks
    from luna16.detection.result import Result
    from luna16.detection.stages import Stages
    from luna16.detection.upright import make_upright
    from luna16.intake import open_ct

    stages = Stages(on_progress)
    with stages.stage("reading"):
        ct = open_ct(path)
        upright = make_upright(ct.scan)
    detection = detect_nodules(upright, detector, device=device, on_progress=on_progress)
    result = Result(
        series_uid=ct.scan.series_uid,
        scan_format=ct.format,
        geometry=ct.scan.geometry,
        detector=detector,
        detection=detection,
        marks=choose_marks(detection.marks, **asdict(choice)),
        seconds=stages.seconds | detection.seconds,
    )
    with stages.stage("writing"):
        _write(result, upright, targets)
    return result


def _write(result: "Result", upright: "Scan", targets: Targets) -> None:
    from luna16.detection.publishing import new_files, new_folder
    from luna16.detection.result import write_result
    from luna16.detection.view import write_view

    with ExitStack() as stack:
        if targets.out:
            write_result(stack.enter_context(new_folder(targets.out)), result)
        if targets.view:
            write_view(stack.enter_context(new_files(targets.view)), upright, result.marks)


@contextmanager
def show_stages(*, as_json: bool) -> "Iterator[OnProgress]":
    """Give what tells of progress: in lines of JSON, or by a bar that a terminal shows."""
    if as_json:
        yield lambda stage, done, of: typer.echo(
            json.dumps({"stage": stage, "done": done, "of": of}), err=True
        )
        return
    with open_progress() as progress:
        bar = progress.add_task("reading")
        yield lambda stage, done, of: progress.update(bar, description=stage, completed=done, total=of)
