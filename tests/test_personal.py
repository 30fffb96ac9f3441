from pathlib import Path

import numpy as np
import pytest

from fl_client.personal import FILE, PersonalLayers
from fl_core.errors import SiteDataError
from tests.small_disk import no_file_above

RECEIVED = {"conv": np.array([1.0, 2.0], np.float32), "bn.weight": np.array([3.0], np.float32)}
TRAINED = {"conv": np.array([1.5, 2.5], np.float32), "bn.weight": np.array([3.5], np.float32)}


def layers(folder: Path, *patterns: str, run_id: str = "r1") -> PersonalLayers:
    return PersonalLayers(folder, run_id, patterns)


def test_what_leaves_holds_none_of_the_sites_own_tensors(tmp_path: Path) -> None:
    sent = layers(tmp_path, "bn*").keep_back(TRAINED, RECEIVED)
    assert list(sent) == list(TRAINED)
    assert sent["bn.weight"] is RECEIVED["bn.weight"]
    assert sent["conv"] is TRAINED["conv"]


def test_own_tensors_are_back_after_a_restart(tmp_path: Path) -> None:
    assert layers(tmp_path, "bn*").put_over(RECEIVED) == RECEIVED
    layers(tmp_path, "bn*").keep_back(TRAINED, RECEIVED)
    over = layers(tmp_path, "bn*").put_over(RECEIVED)
    assert over == {"conv": RECEIVED["conv"], "bn.weight": TRAINED["bn.weight"]}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_tensors_of_an_earlier_run_are_not_put_into_another(tmp_path: Path) -> None:
    layers(tmp_path, "bn*", run_id="r1").keep_back(TRAINED, RECEIVED)
    assert layers(tmp_path, "bn*", run_id="r2").put_over(RECEIVED) == RECEIVED


def test_without_personal_layers_all_leaves_and_nothing_is_kept(tmp_path: Path) -> None:
    assert layers(tmp_path).keep_back(TRAINED, RECEIVED) == TRAINED
    assert list(tmp_path.iterdir()) == []


def test_own_tensors_that_are_not_finite_do_not_replace_those_of_the_round_before(tmp_path: Path) -> None:
    layers(tmp_path, "bn*").keep_back(TRAINED, RECEIVED)
    with pytest.raises(ValueError, match=r"NaN or infinite values in 'bn\.weight'"):
        layers(tmp_path, "bn*").keep_back(TRAINED | {"bn.weight": np.array([np.nan])}, RECEIVED)
    assert layers(tmp_path, "bn*").put_over(RECEIVED)["bn.weight"] == TRAINED["bn.weight"]


def test_own_tensors_that_cannot_be_written_do_not_leave_and_those_of_before_are_kept(tmp_path: Path) -> None:
    layers(tmp_path, "bn*").keep_back(RECEIVED, RECEIVED)
    with no_file_above(10), pytest.raises(OSError, match=r"^Cannot write .*/personal\.safetensors: File too"):
        layers(tmp_path, "bn*").keep_back(TRAINED, RECEIVED)
    assert layers(tmp_path, "bn*").put_over(RECEIVED) == RECEIVED
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"no tensors"])
def test_damaged_file_is_told_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(SiteDataError, match=r"personal\.safetensors cannot be read\. Remove it"):
        layers(tmp_path, "bn*").put_over(RECEIVED)
