import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fl_client.home import SiteHome
from fl_core.errors import TaskDeclinedError, UsageError
from luna16.config import DataConfig
from tests.small_disk import no_file_above

ROOT = Path(__file__).parent.parent


@pytest.fixture
def open_home() -> Iterator[Callable[[Path], SiteHome]]:
    opened: list[SiteHome] = []

    def open_one(folder: Path) -> SiteHome:
        opened.append(SiteHome(folder, folder.name))
        return opened[-1]

    yield open_one
    for home in opened:
        home.close()


@pytest.fixture
def home(open_home: Callable[[Path], SiteHome], tmp_path: Path) -> SiteHome:
    return open_home(tmp_path / "sites" / "north")


def test_second_process_of_a_site_is_refused_with_one_line(home: SiteHome) -> None:
    with pytest.raises(UsageError) as refusal:
        SiteHome(home.folder, "north")
    assert str(refusal.value) == f"Site 'north' runs on this machine already (process {os.getpid()})."


def test_other_site_on_the_same_machine_is_welcome(
    home: SiteHome, open_home: Callable[[Path], SiteHome]
) -> None:
    assert open_home(home.folder.with_name("south")).folder.is_dir()


def test_child_of_a_site_does_not_hold_its_folder(tmp_path: Path, home: SiteHome) -> None:
    folder = tmp_path / "sites" / "west"
    first = SiteHome(folder, "west")
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        first.close()
        SiteHome(folder, "west").close()
        child.kill()


def test_site_may_start_again_after_it_was_killed(
    tmp_path: Path, open_home: Callable[[Path], SiteHome]
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from fl_client.home import SiteHome\n"
        "home = SiteHome(Path(sys.argv[1]), 'north'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert open_home(tmp_path).folder == tmp_path


def test_instance_word_stays_and_only_the_owner_may_read_it(home: SiteHome) -> None:
    word = home.instance()
    assert len(word) == 32
    assert home.instance() == word
    assert (home.folder / "instance").stat().st_mode & 0o777 == 0o600


def test_instance_word_stays_when_the_site_starts_again(
    tmp_path: Path, open_home: Callable[[Path], SiteHome]
) -> None:
    first = SiteHome(tmp_path, "north")
    word = first.instance()
    first.close()
    assert open_home(tmp_path).instance() == word


def test_two_installations_have_words_of_their_own(
    home: SiteHome, open_home: Callable[[Path], SiteHome], tmp_path: Path
) -> None:
    assert open_home(tmp_path / "other" / "north").instance() != home.instance()


def test_instance_word_is_whole_or_not_there(home: SiteHome) -> None:
    with no_file_above(10), pytest.raises(UsageError, match=r"Cannot keep .*instance: File too large\. Make"):
        home.instance()
    assert [path.name for path in home.folder.iterdir()] == ["lock"]
    assert len(home.instance()) == 32


def test_what_a_killed_site_has_left_half_written_is_removed(
    tmp_path: Path, open_home: Callable[[Path], SiteHome]
) -> None:
    for name in ("instance", "rounds.json", "personal.safetensors"):
        (tmp_path / f"{name}.partial").write_text("ha")
    home = open_home(tmp_path)
    assert [path.name for path in home.folder.iterdir()] == ["lock"]


def test_round_that_cannot_be_counted_on_a_full_disk_is_declined(
    home: SiteHome, caplog: pytest.LogCaptureFixture
) -> None:
    times = [datetime(2026, 3, 29, 11, tzinfo=UTC)]
    home.keep_rounds_begun_at(times)
    with no_file_above(10), pytest.raises(TaskDeclinedError, match="cannot keep count of its rounds"):
        home.keep_rounds_begun_at(times * 2)
    assert caplog.messages == [
        f"Cannot write {home.folder}/rounds.json: File too large. Make room on its disk."
    ]
    assert home.rounds_begun_at() == times


def test_way_of_cutting_that_cannot_be_kept_ends_nothing(
    home: SiteHome, caplog: pytest.LogCaptureFixture
) -> None:
    with no_file_above(10):
        home.keep_data_config(DataConfig(patch_size_vox=24))
    assert "data.json" in caplog.text
    assert home.last_data_config() == DataConfig()


def test_way_of_cutting_is_the_default_before_the_first_run(home: SiteHome) -> None:
    assert home.last_data_config() == DataConfig()


def test_way_of_cutting_is_remembered(home: SiteHome) -> None:
    config = DataConfig(patch_size_vox=24, validation_fraction=0.5)
    home.keep_data_config(config)
    assert home.last_data_config() == config


@pytest.mark.parametrize("content", ["", "{", '{"key_of_a_newer_version": 1}', '{"hu_min": 9999}'])
def test_way_of_cutting_that_cannot_be_read_is_the_default(
    content: str, home: SiteHome, caplog: pytest.LogCaptureFixture
) -> None:
    (home.folder / "data.json").write_text(content)
    assert home.last_data_config() == DataConfig()
    assert "data.json" in caplog.text


def test_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"Cannot use the folder .*: Not a directory\. Set FEDLUNA_HOME"):
        SiteHome(tmp_path / "file" / "north", "north")


def test_rounds_are_remembered_over_a_restart(tmp_path: Path, open_home: Callable[[Path], SiteHome]) -> None:
    times = [datetime(2026, 3, 29, hour, tzinfo=UTC) for hour in (11, 12)]
    first = SiteHome(tmp_path / "west", "west")
    assert first.rounds_begun_at() == []
    first.keep_rounds_begun_at(times)
    first.close()
    assert open_home(tmp_path / "west").rounds_begun_at() == times


@pytest.mark.parametrize("text", ["", "{", "7", '["noon"]', "[7]"])
def test_rounds_that_cannot_be_counted_are_declined(
    home: SiteHome, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (home.folder / "rounds.json").write_text(text)
    with pytest.raises(TaskDeclinedError, match="cannot tell how many rounds it did today"):
        home.rounds_begun_at()
    assert caplog.messages == [f"{home.folder}/rounds.json is damaged. Remove it to count rounds anew."]
