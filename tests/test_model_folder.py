import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_server import model_folder
from fl_server.model_facts import ModelFacts, read_facts
from fl_server.model_folder import write_model_folder
from fl_server.model_formats import ModelFormat
from fl_store.connect import open_store
from luna16.checkpoint import Checkpoint, load_checkpoint
from luna16.model_export import check_same
from tests.conftest import ROOT, Rehearsal
from tests.exported_run import RUN_NAME, SITES, play_run

FILES = {
    ModelFormat.MONAI_BUNDLE: {
        "LICENSE",
        "configs/inference.json",
        "configs/metadata.json",
        "docs/README.md",
        "models/model.pt",
        "models/model.ts",
    },
    ModelFormat.TORCHSCRIPT: {"LICENSE", "MODEL_CARD.md", "model.json", "model.ts"},
    ModelFormat.ONNX: {"LICENSE", "MODEL_CARD.md", "model.json", "model.onnx"},
    ModelFormat.SAFETENSORS: {"LICENSE", "MODEL_CARD.md", "model.json", "model.safetensors"},
}
Exported = tuple[Path, Checkpoint, ModelFacts]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    home = tmp_path_factory.mktemp("home")
    store = open_store(home)
    run = play_run(Rehearsal(store), home)
    model_path = home / "runs" / run.run_id / "best.safetensors"
    yield model_path, load_checkpoint(model_path), read_facts(store, run, model_path)
    store.close()


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "file_format",
    [
        pytest.param(each, marks=[pytest.mark.soak] if each is ModelFormat.ONNX else [])
        for each in ModelFormat
    ],
)
def test_folder_has_its_files_and_tells_no_site_and_no_place(
    exported: Exported, file_format: ModelFormat, tmp_path: Path
) -> None:
    model_path = exported[0]
    write_model_folder(*exported, file_format, tmp_path / "out")
    assert list_files(tmp_path / "out") == FILES[file_format]
    told = b"".join((tmp_path / "out" / name).read_bytes() for name in FILES[file_format])
    for secret in (*SITES, RUN_NAME, str(model_path.parent), str(tmp_path), "site-packages", str(ROOT)):
        assert secret.encode() not in told


def test_safetensors_are_loaded_as_any_model_of_ours(exported: Exported, tmp_path: Path) -> None:
    write_model_folder(*exported, ModelFormat.SAFETENSORS, tmp_path / "out")
    again = load_checkpoint(tmp_path / "out" / "model.safetensors")
    assert again.data == exported[1].data
    check_same(exported[1], again.model.eval(), name="model.safetensors")


def test_same_model_gives_the_same_bytes(exported: Exported, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_model_folder(*exported, ModelFormat.SAFETENSORS, tmp_path / name)
    for name in FILES[ModelFormat.SAFETENSORS]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_json_says_what_it_is_not_for_and_keeps_the_calibration(exported: Exported, tmp_path: Path) -> None:
    path, checkpoint, facts = exported
    calibrated = ModelFacts(**{**vars(facts), "about": {**facts.about, "calibration": {"slope": 0.5}}})
    write_model_folder(path, checkpoint, calibrated, ModelFormat.SAFETENSORS, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "model.json").read_text())
    assert told["calibration"] == {"slope": 0.5}
    assert told["notice"] == "Research use only, not for diagnosis."


def test_weights_that_were_replaced_meanwhile_leave_nothing(exported: Exported, tmp_path: Path) -> None:
    changed = tmp_path / "best.safetensors"
    shutil.copyfile(exported[0], changed)
    with changed.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(ValueError, match="its sha256 differs"):
        write_model_folder(changed, *exported[1:], ModelFormat.SAFETENSORS, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [changed]


def test_full_disk_leaves_nothing(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model_folder.shutil, "copyfile", fail)
    with pytest.raises(OSError, match="No space left"):
        write_model_folder(*exported, ModelFormat.SAFETENSORS, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
