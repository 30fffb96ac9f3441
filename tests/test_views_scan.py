import re

from fl_monitor.access import Viewer
from fl_monitor.assets import read_static
from fl_monitor.blocks import to_plain
from fl_store.words import Role
from tests.site_rows import blocks_of, look

SCRIPTS = ("scans.js", "scan_sender.js", "scan_viewer.js", "slices.js")
NAMED_BY_THEIR_THING = {"axial", "coronal", "sagittal", "lung", "mediastinum", "bone", "cancel", "delete"}
OF_THE_BOARD = {"locale"}


def test_page_is_the_same_for_every_role_and_names_no_scan() -> None:
    pages = [look("scan", Viewer("anna", role, "north")) for role in Role]
    assert [page.header.title for page in pages] == ["Scan"] * 3
    assert len({str(blocks_of(page)) for page in pages}) == 1


def test_scripts_say_the_words_that_the_page_gives_them() -> None:
    block = blocks_of(look("scan", Viewer("anna", Role.ANALYST)))["scans"]
    script = "".join(map(read_static, SCRIPTS))
    said = set(re.findall(r"\bwords\.(\w+)", script)) - OF_THE_BOARD
    assert said | NAMED_BY_THEIR_THING == set(block.words)
    assert to_plain(block)["kind"] == "scans"
