"""What a course of rounds takes from a run's file, and how its rounds follow from it."""

from pathlib import Path

import pytest

from luna16.config import CourseConfig, TrainingConfig, read_course
from luna16.settings_file import read_table


def test_course_takes_the_rounds_of_the_federation(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('name = "a"\n[federation]\nrounds = 7\nmin_sites = 3\n[training]\nepochs = 2\n')
    course = read_course(path)
    assert (course.rounds, course.training.epochs) == (7, 2)


@pytest.mark.parametrize("name", ["demo.toml", "luna16.toml"])
def test_course_takes_the_file_of_a_federation(name: str) -> None:
    path = Path(__file__).parent.parent / "configs" / name
    assert read_course(path).rounds == read_table(path)["federation"]["rounds"]


def test_course_without_a_file_has_the_defaults() -> None:
    assert read_course(None) == CourseConfig()


def test_fault_in_a_courses_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[federation]\nrounds = 0\n")
    with pytest.raises(ValueError, match=r"run\.toml: rounds is 0, expected greater than or equal to 1"):
        read_course(path)


def test_seed_of_a_course_changes_weights_and_draws_but_not_the_split() -> None:
    course = CourseConfig().with_seed(3)
    assert (course.model.seed, course.training.seed, course.data.split_seed) == (3, 3, 0)


def test_schedule_without_a_length_lasts_as_long_as_the_training() -> None:
    assert TrainingConfig().spread_over(9).schedule_rounds == 9
    assert TrainingConfig(schedule_rounds=4).spread_over(9).schedule_rounds == 4


def test_epochs_are_those_of_the_cycle_in_turn() -> None:
    cycled = TrainingConfig(epochs=9, epochs_cycle=(1, 1, 3))
    assert [cycled.epochs_in_round(round_no) for round_no in range(1, 8)] == [1, 1, 3, 1, 1, 3, 1]
    assert cycled.most_epochs == 3
    assert TrainingConfig(epochs=4).epochs_in_round(7) == TrainingConfig(epochs=4).most_epochs == 4
