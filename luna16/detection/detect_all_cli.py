"""``luna16 detect-all``: find the nodules of every scan of a data set, and tell how good that is."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from luna16.detection.detect_cli import CalibrationOption, ModelOption
from luna16.terminal import (
    EXIT_SET_ASIDE,
    DeviceOption,
    JsonOption,
    SubsetOption,
    ValidationOnlyOption,
    VerboseOption,
    check_out,
    open_progress,
)

if TYPE_CHECKING:  # torch takes a while to import, and most commands need none
    import torch

    from luna16.detection.data_set import DetectedDataSet
    from luna16.detection.detector import Detector
    from luna16.scan import ScanFile
    from luna16.score_report import ScoreReport


def detect_all(
    root: Annotated[Path, typer.Argument()],
    model: ModelOption,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of what is found; another call goes on there.")
    ] = Path("detected"),
    subset: SubsetOption = None,
    validation_only: ValidationOnlyOption = False,
    calibration: CalibrationOption = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit probabilities to these scans; writes calibration.json.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="The same seed gives the same intervals.")
    ] = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Find the nodules of all scans of ROOT, a data set in the layout of LUNA16, and score them end to end.

    OUT gets report.json, the challenge's table of marks, submission.csv, and what was found in each scan; it
    holds scan UIDs. Exit code 1 says that scans were set aside. Research use only, not for diagnosis.
    """
    from luna16.detection.chain_report import draw_detection_report, make_detection_report
    from luna16.detection.model_choice import find_model, load_detector
    from luna16.model import select_device
    from luna16.scan import find_listed_scans
    from luna16.scoring import keep_validation

    check_out(out, root)
    detector, place = load_detector(find_model(model), calibration=calibration), select_device(device)
    files = find_listed_scans(root, subset)
    files = keep_validation(files, detector.checkpoint) if validation_only else files
    found = _detect(root, files, detector, out, place)
    report = make_detection_report(
        found.scores,
        given=_score_given(root, found.files, detector, place),
        calibration=detector.calibration,
        seed=seed,
    )
    content = {**report.to_json(), "num_set_aside": len(found.set_aside)}
    for reason in found.set_aside:
        typer.secho(f"Set aside: {reason}", fg="yellow", err=True)
    if as_json:
        typer.echo(json.dumps(content, indent=2))
    else:
        Console(markup=False, emoji=False, highlight=False).print(draw_detection_report(report))
    _write(out, found, detector, content, calibrate=calibrate)  # last: the score is told if the disk is full
    if found.set_aside:
        raise typer.Exit(EXIT_SET_ASIDE)


def _detect(
    root: Path, files: "Sequence[ScanFile]", detector: "Detector", out: Path, device: "torch.device"
) -> "DetectedDataSet":
    from luna16.detection.data_set import detect_data_set
    from luna16.detection.kept import KeptDetections

    with open_progress() as progress:
        bar = progress.add_task("Finding nodules", total=len(files))
        return detect_data_set(
            detector,
            root,
            files,
            KeptDetections(out / "scans", detector),
            device=device,
            on_scan=lambda num_done, _: progress.update(bar, completed=num_done),
        )


def _score_given(
    root: Path, files: "Sequence[ScanFile]", detector: "Detector", device: "torch.device"
) -> "ScoreReport | None":
    """Score the candidates of the data set's own table, if it has one."""
    from luna16.annotations import find_table
    from luna16.score_report import make_report
    from luna16.scoring import score_data_set

    try:
        find_table(root, "candidates_V2.csv")
    except FileNotFoundError:
        return None
    with open_progress() as progress:
        bar = progress.add_task("Scoring given candidates", total=len(files))
        scored = score_data_set(
            detector.checkpoint,
            root,
            files,
            device=device,
            on_scan=lambda num_done, _: progress.update(bar, completed=num_done),
        )
    return make_report(scored.scans)


def _write(
    out: Path, found: "DetectedDataSet", detector: "Detector", report: dict[str, object], *, calibrate: bool
) -> None:
    from luna16.detection.calibration import calibration_to_json, fit_calibration
    from luna16.detection.data_set import write_marks
    from luna16.detection.mark_scores import count_detections
    from luna16.whole_files import write_json

    write_marks(out / "submission.csv", found, detector)
    write_json(out / "report.json", report)
    if calibrate:
        fitted = fit_calibration(count_detections(found.scores).marks)
        write_json(out / "calibration.json", calibration_to_json(fitted, model_sha256=detector.sha256))
    typer.echo(f"Wrote what was found in {len(found.files)} scans to {out}.", err=True)
