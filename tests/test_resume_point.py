import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fl_core.errors import UsageError
from fl_server.resume_point import ResumePoint, find_resume_point, keep_resume_point

WEIGHTS = {"steps": np.array(7), "fc.weight": np.array([[0.5, -1.5]], np.float32)}
MEMORY = {"best": [0.75, -1.0], "strikes": {"north": 2}}


def make_point(round_no: int) -> ResumePoint:
    return ResumePoint(round_no, WEIGHTS, {"m_t/fc.weight": np.full((1, 2), round_no, np.float32)}, MEMORY)


def test_run_that_has_just_begun_has_none(tmp_path: Path) -> None:
    assert find_resume_point(tmp_path) is None


def test_newest_is_found_with_all_that_was_kept(tmp_path: Path) -> None:
    for round_no in (1, 2, 3):
        keep_resume_point(tmp_path, make_point(round_no))
    found = find_resume_point(tmp_path)
    assert found is not None
    assert (found.round_no, found.memory) == (3, MEMORY)
    assert list(found.weights) == list(WEIGHTS)
    for name, tensor in WEIGHTS.items():
        np.testing.assert_array_equal(found.weights[name], tensor, strict=True)
    np.testing.assert_array_equal(found.moments["m_t/fc.weight"], [[3, 3]])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "resume-before.safetensors",
        "resume.safetensors",
    ]


def flip_last_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:50], lambda _data: b"", flip_last_bit]
)
def test_damaged_one_is_named_and_the_one_before_taken(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    for round_no in (1, 2):
        keep_resume_point(tmp_path, make_point(round_no))
    path = tmp_path / "resume.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    found = find_resume_point(tmp_path)
    assert found is not None
    assert found.round_no == 1
    (line,) = caplog.messages
    assert line.startswith(f"{path} is damaged (")


def test_coordinator_that_was_killed_between_two_names_has_the_one_before(tmp_path: Path) -> None:
    keep_resume_point(tmp_path, make_point(1))
    (tmp_path / "resume.safetensors").rename(tmp_path / "resume-before.safetensors")
    found = find_resume_point(tmp_path)
    assert found is not None
    assert found.round_no == 1


def test_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    about = {"round_no": 1, "memory": {}, "sha256": ""}
    save_file({}, tmp_path / "resume.safetensors", metadata={"format": "2", "about": json.dumps(about)})
    with pytest.raises(UsageError, match=r"is of a newer FedLuna\. Go on with that one"):
        find_resume_point(tmp_path)
