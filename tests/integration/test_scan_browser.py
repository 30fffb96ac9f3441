"""A real scan in a real browser: sent, searched by a real ``luna16 detect``, looked at, and deleted."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fl_core.processes import find_free_port
from fl_store.accounts import add_user
from fl_store.connect import open_local_store
from fl_store.rows import UploadRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, UploadState
from luna16.checkpoint import PackedWeights, save_model
from luna16.config import ModelConfig
from luna16.model import build_model
from tests.conftest import require, serve_monitor
from tests.integration.conftest import Visitor
from tests.integration.test_pages_browser import AXE, DESK, OF_STREAMLIT, PHONE, find_faults
from tests.sent_scans import keep_model

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "correct horse"
USERS = {"carl": Role.SERVER, "anna": Role.ANALYST, "ben": Role.ANALYST}
SOON_MS = 20_000
SEARCH_MS = 120_000
CHOSEN_MARK = (255, 122, 217)
Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with closing(open_local_store(folder)) as store:
        for name, role in USERS.items():
            add_user(store, name, PASSWORD, role=role, site=None)
        keep_untrained_model(store, folder)
    return folder


def keep_untrained_model(store: SqliteStore, home: Path) -> None:
    """Keep a model that takes every candidate for a nodule, as sure of it as chance will have it."""
    row = keep_model(store, home)
    weights = build_model(ModelConfig()).state_dict()
    weights["fc.bias"] += 2
    path = home / "runs" / row.run_id / row.file_name
    packed = PackedWeights.pack(weights)
    save_model(path, packed, {"settings": {}})
    store.put([replace(row, sha256=packed.sha256, num_bytes=path.stat().st_size)])


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    port = find_free_port()
    with serve_monitor(home, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def scan_files(scans: Path) -> list[Path]:
    """The header and voxels of one synthetic scan."""
    header = min((scans / "subset0").glob("*.mhd"))
    return [header, header.with_suffix(".raw")]


@dataclass
class Searched:
    """A scan that anna has sent, what she saw meanwhile, and what was found."""

    folder: Path
    seen: set[str] = field(default_factory=set)

    @property
    def view(self) -> dict[str, Any]:
        return json.loads((self.folder / "view/volume.json").read_text())

    @property
    def first(self) -> dict[str, Any]:
        return self.view["nodules"][0]


@pytest.fixture(scope="module")
def searched(url: str, home: Path, browser: Any, scan_files: list[Path]) -> Searched:
    """Send a scan with a browser and watch it until its results are shown."""
    visitor = Visitor(browser.new_context(viewport=DESK), url)
    tab = open_scans(visitor, "anna")
    send(tab, scan_files)
    found = Searched(Path())
    deadline = time.monotonic() + SEARCH_MS / 1000
    while not tab.locator(".fl-viewer").is_visible() and time.monotonic() < deadline:
        found.seen.add(tab.locator(".fl-own").inner_text())
        tab.wait_for_timeout(50)
    found.seen.add(tab.locator(".fl-own").inner_text())
    (found.folder,) = (path.parent for path in home.glob("scans/*/out"))
    visitor.context.close()
    return found


@pytest.fixture(scope="module")
def desk(url: str, browser: Any, searched: Searched) -> Iterator[Any]:
    """A tab of anna on a desk, to whom her searched scan is shown."""
    visitor = Visitor(browser.new_context(viewport=DESK, bypass_csp=True), url)  # for the script of axe
    yield open_viewer(visitor)
    assert [error for error in visitor.errors if not error.startswith(OF_STREAMLIT)] == []
    visitor.context.close()


def open_scans(visitor: Any, name: str) -> Any:
    """Sign in and open the page Scan."""
    tab = visitor.sign_in(name, PASSWORD)
    tab.locator(".fl-board[data-page=live]").wait_for(timeout=SOON_MS)
    tab.goto(f"{visitor.url}/scan")
    tab.locator(".fl-sender option").first.wait_for(state="attached", timeout=SOON_MS)
    return tab


def open_viewer(visitor: Any) -> Any:
    """Open the page as anna, to whom her searched scan is shown."""
    tab = open_scans(visitor, "anna")
    wait_for_slice(tab, "axial", None)
    return tab


def send(tab: Any, files: list[Path]) -> None:
    tab.locator(".fl-sender input[type=file]").first.set_input_files([str(path) for path in files])


def wait_for_slice(tab: Any, plane: str, number: int | None) -> None:
    wanted = "[data-slice]" if number is None else f"[data-slice='{number}']"
    tab.locator(f"[data-plane={plane}] canvas{wanted}").wait_for(timeout=SOON_MS)


def slice_of(tab: Any, plane: str = "axial") -> int:
    return int(tab.locator(f"[data-plane={plane}] canvas").get_attribute("data-slice"))


def colors_at(tab: Any, plane: str, x: float, y: float) -> list[tuple[int, ...]]:
    """Return the nine colours that a plane's canvas has at a point and around it."""
    script = (
        "(c, [x, y]) => [...c.getContext('2d').getImageData(Math.round(x) - 1, Math.round(y) - 1, 3, 3).data]"
    )
    found = tab.locator(f"[data-plane={plane}] canvas").evaluate(script, [x, y])
    return [tuple(found[no : no + 3]) for no in range(0, len(found), 4)]


def is_marked_at(tab: Any, plane: str, view: dict[str, Any], nodule: dict[str, Any]) -> bool:
    """Say whether a circle of the nodule's diameter lies around its middle on the canvas of a plane."""
    down, right = {"axial": (1, 2), "coronal": (0, 2), "sagittal": (0, 1)}[plane]
    size, spacing, center = view["size_zyx_vox"], view["spacing_zyx_mm"], nodule["center_zyx_vox"]
    side_px = tab.locator(f"[data-plane={plane}] canvas").evaluate("(canvas) => canvas.width")
    px_per_mm = side_px / max(size[right] * spacing[right], size[down] * spacing[down])
    row = size[0] - 1 - center[0] if down == 0 else center[down]
    x = side_px / 2 + (center[right] + 0.5 - size[right] / 2) * spacing[right] * px_per_mm
    y = side_px / 2 + (row + 0.5 - size[down] / 2) * spacing[down] * px_per_mm
    radius = nodule["diameter_mm"] / 2 * px_per_mm
    angles = [
        math.radians(degrees) for degrees in (90, 135, 180, 225)
    ]  # its number stands at the upper right
    ring = [colors_at(tab, plane, x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    return all(min(math.dist(color, CHOSEN_MARK) for color in colors) < 60 for colors in ring)


def test_scan_is_followed_until_its_nodules_are_shown(searched: Searched) -> None:
    seen = " ".join(searched.seen)
    assert "being searched" in seen
    assert "scan 1, .mhd" in seen
    assert any("done" in text and "will be deleted" in text for text in searched.seen)
    assert not (searched.folder / "scan").exists()


def test_first_nodule_is_marked_in_all_planes_at_its_slice(desk: Any, searched: Searched) -> None:
    desk.locator(".fl-finding").first.click()
    for axis, plane in enumerate(("axial", "coronal", "sagittal")):
        wait_for_slice(desk, plane, round(searched.first["center_zyx_vox"][axis]))
        canvas = desk.locator(f"[data-plane={plane}] canvas")
        assert "1" in canvas.get_attribute("data-marked").split()
        assert "marked: nodule" in canvas.get_attribute("aria-label")
        assert is_marked_at(desk, plane, searched.view, searched.first)
    desk.locator("[data-plane=axial] input").press("Home")
    wait_for_slice(desk, "axial", 0)
    assert not is_marked_at(desk, "axial", searched.view, searched.first)


def test_slices_are_scrolled_by_wheel_and_keys(desk: Any, searched: Searched) -> None:
    middle = searched.view["size_zyx_vox"][0] // 2
    desk.get_by_role("button", name="Show").click()
    wait_for_slice(desk, "axial", middle)
    desk.locator("[data-plane=axial] canvas").hover()
    for _ in range(3):
        desk.mouse.wheel(0, 100)
    wait_for_slice(desk, "axial", middle - 3)
    slider = desk.locator("[data-plane=axial] input")
    for key, number in (
        ("ArrowUp", middle - 2),
        ("PageDown", middle - 12),
        ("PageUp", middle - 2),
        ("Home", 0),
    ):
        slider.press(key)
        wait_for_slice(desk, "axial", number)
    slider.press("End")
    wait_for_slice(desk, "axial", searched.view["size_zyx_vox"][0] - 1)
    assert f"{searched.view['size_zyx_vox'][0]} of" in slider.get_attribute("aria-valuetext")


def test_click_takes_the_other_planes_there(desk: Any, searched: Searched) -> None:
    canvas = desk.locator("[data-plane=axial] canvas")
    box = canvas.bounding_box()
    _depth, height, width = searched.view["size_zyx_vox"]
    canvas.click(position={"x": box["width"] * 30.5 / width, "y": box["height"] * 140.5 / height})
    wait_for_slice(desk, "coronal", 140)
    wait_for_slice(desk, "sagittal", 30)


def test_window_is_chosen_and_dragged(desk: Any, searched: Searched) -> None:
    desk.get_by_role("button", name="Lung").click()
    lung = colors_at(desk, "axial", 20, 200)
    desk.get_by_role("button", name="Mediastinum").click()
    assert desk.locator(".fl-windows output").inner_text() == "width 400, level 40 HU"
    assert colors_at(desk, "axial", 20, 200) != lung
    box = desk.locator("[data-plane=axial] canvas").bounding_box()
    desk.mouse.move(box["x"] + 100, box["y"] + 100)
    desk.mouse.down()
    desk.mouse.move(box["x"] + 130, box["y"] + 110)
    desk.mouse.up()
    assert desk.locator(".fl-windows output").inner_text() == "width 520, level 60 HU"
    assert desk.locator(".fl-windows [aria-pressed=true]").count() == 0


def test_phone_shows_the_viewer_above_the_list_and_a_finger_slides(
    url: str, visit: Visit, searched: Searched
) -> None:
    tab = open_viewer(visit(url, viewport=PHONE, has_touch=True, is_mobile=True))
    tops = [
        tab.locator(name).bounding_box()["y"] for name in (".fl-viewer", ".fl-found", ".fl-sender", ".fl-own")
    ]
    assert tops == sorted(tops)
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") == PHONE["width"]
    tab.locator(".fl-finding").first.tap()
    number = round(searched.first["center_zyx_vox"][0])
    wait_for_slice(tab, "axial", number)
    assert is_marked_at(tab, "axial", searched.view, searched.first)
    slide(tab, tab.locator("[data-plane=axial] canvas"), 30)
    wait_for_slice(tab, "axial", number + 5)


def slide(tab: Any, canvas: Any, dx: int) -> None:
    """Slide a finger sideways over a canvas."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    touch = tab.context.new_cdp_session(tab)
    x, y = box["x"] + 60, box["y"] + 60
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, dx + 1):
        touch.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + step, "y": y}]}
        )
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_viewer_keeps_to_wcag_aa(desk: Any) -> None:
    require(AXE, why="the tests of accessibility need it (npm ci in tests/axe)")
    desk.locator(".fl-finding").first.click()
    desk.add_script_tag(path=str(AXE))
    assert [*find_faults(desk, "dark"), *find_faults(desk, "light")] == []


def test_results_are_downloaded_and_say_that_they_are_for_research(desk: Any, searched: Searched) -> None:
    for name in ("result.json", "nodules.csv", "nodules.nii.gz"):
        with desk.expect_download() as download:
            desk.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == f"fedluna-scan-1-research-use-only-{name}"
        assert Path(download.value.path()).read_bytes() == (searched.folder / "out" / name).read_bytes()


def test_lost_connection_and_reload_go_on_where_they_were(
    url: str, visit: Visit, scan_files: list[Path], home: Path
) -> None:
    visitor = visit(url, viewport=DESK)
    tab = open_scans(visitor, "ben")
    tab.route("**/api/scans/*?offset=4194304", lambda route: route.abort())
    send(tab, scan_files)
    tab.get_by_text("The monitor cannot be reached. Sending goes on by itself.").wait_for(timeout=SOON_MS)
    tab.reload()
    tab.get_by_text("Choose the same file again to go on.").wait_for(timeout=SOON_MS)
    tab.unroute("**/api/scans/*?offset=4194304")
    send(tab, scan_files)
    tab.locator(".fl-scan[data-state=waiting], .fl-scan[data-state=running]").wait_for(timeout=SOON_MS)
    offsets = [request.split("offset=")[1] for request in visitor.requests if "offset=" in request]
    assert offsets[0] == "0"
    assert set(offsets[1:]) == {"4194304"}
    tab.get_by_role("button", name="Cancel").click()
    tab.locator(".fl-scan[data-state=cancelled]").wait_for(timeout=SOON_MS)
    assert list(home.glob("scans/*/scan/*")) == []


def test_scan_goes_on_its_way_while_another_page_is_looked_at(
    url: str, visit: Visit, scan_files: list[Path]
) -> None:
    tab = open_scans(visit(url, viewport=DESK), "ben")
    held: list[Any] = []
    tab.route("**/api/scans/*?offset=4194304", lambda route: held.append(route))  # noqa: PLW0108 - not a method
    send(tab, scan_files)
    tab.locator(".fl-scan[data-state=uploading]").wait_for(timeout=SOON_MS)
    tab.get_by_role("link", name="Runs").click()
    tab.locator(".fl-board[data-page=runs]").wait_for(timeout=SOON_MS)
    tab.get_by_role("link", name="Scan").click()
    line = tab.locator(".fl-scan[data-state=uploading]")
    line.wait_for(timeout=SOON_MS)
    assert "Choose the same file again" not in line.inner_text()
    held[0].continue_()
    tab.locator(".fl-scan[data-state=waiting], .fl-scan[data-state=running]").wait_for(timeout=SOON_MS)
    tab.get_by_role("button", name="Cancel").click()
    tab.locator(".fl-scan[data-state=uploading]").wait_for(state="detached", timeout=SOON_MS)


def test_folder_that_holds_no_scan_fails_with_its_sentence(url: str, visit: Visit, tmp_path: Path) -> None:
    for name in ("DICOMDIR", "IM1", "IM2"):
        (tmp_path / name).write_bytes(b"no image")
    tab = open_scans(visit(url, viewport=DESK), "carl")
    tab.locator(".fl-sender input[type=file]").nth(1).set_input_files(tmp_path)
    line = tab.locator(".fl-scan[data-state=failed]", has_text="DICOM")
    line.wait_for(timeout=SEARCH_MS)
    assert "It holds no scan: hand over a DICOM series" in line.inner_text()


def test_deleted_scan_is_gone_from_page_and_disk(
    url: str, visit: Visit, searched: Searched, home: Path
) -> None:
    copy = copy_for(searched, "ben")
    tab = open_scans(visit(url, viewport=DESK), "ben")
    wait_for_slice(tab, "axial", None)
    tab.get_by_role("button", name="Delete").click()
    assert copy.exists()
    tab.get_by_role("button", name="Click again to delete").click()
    tab.locator(".fl-viewer").wait_for(state="hidden", timeout=SOON_MS)
    assert not copy.exists()
    with closing(open_local_store(home)) as store:
        assert store.get(UploadRow, upload_id=copy.name)[0].state is UploadState.DELETED


def copy_for(searched: Searched, user: str) -> Path:
    """Give another user a searched scan of the same content."""
    copy = searched.folder.with_name("c" * 32)
    shutil.copytree(searched.folder, copy)
    upload = json.loads((copy / "upload.json").read_text())
    upload["row"] |= {"upload_id": copy.name, "user": user}
    (copy / "upload.json").write_text(json.dumps(upload))
    return copy


def test_coordinator_sees_who_sends_and_none_of_it(url: str, visit: Visit, searched: Searched) -> None:
    tab = open_scans(visit(url, viewport=DESK), "carl")
    assert tab.evaluate("fetch('/api/scans').then((reply) => reply.text())").count(searched.folder.name) == 0
    assert tab.locator(".fl-viewer").is_hidden()
    path = f"/api/scans/{searched.folder.name}/slices/axial/0"
    assert tab.evaluate("(path) => fetch(path).then((reply) => reply.status)", path) == 404
    tab.goto(f"{url}/activity")
    line = tab.locator("[data-block=uploads] tr", has_text="anna")
    line.wait_for(timeout=SOON_MS)
    assert "scan 1, .mhd" in line.inner_text()
    assert "2.25." not in tab.locator(".fl-board").inner_text()
