"""``make screenshots``: every page of the monitor after a real run, on a desk and a phone, light and dark.

The coordinator sees all pages; a hospital its own ones, in Chinese. Each has a scan searched. The pictures go
to screenshots/.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fl_core.processes import find_free_port
from fl_monitor.navigation import list_titles
from fl_store.accounts import add_user
from fl_store.connect import open_local_store
from fl_store.words import Role
from luna16.phantom import ScanTask, write_scan
from tests.conftest import CHROMIUM, wait_until_up
from tests.integration.conftest import CHROMIUM_FLAGS

PASSWORD = "correct horse"
WIDTHS_PX = (1366, 390)
SCHEMES = ("light", "dark")
HEIGHT_PX = 900
TALLEST_PX = 6000
SEARCH_MS = 300_000
VIEWERS = (("carl", Role.SERVER, None, "en-US"), ("nora", Role.CLIENT, "a", "zh-CN"))


def main() -> None:
    """Run the demonstration, unless a home of one is given, and take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("screenshots"))
    parser.add_argument("--home", type=Path, help="the home of a coordinator that has had a run")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        home = options.home or run_demo(Path(name))
        add_viewers(home)
        scan = draw_scan(Path(name))
        with serve(home) as url:
            take_all(url, options.folder, scan)
    print(f"{len(list(options.folder.glob('*.png')))} pictures in {options.folder}")


def run_demo(folder: Path) -> Path:
    """Train a federation of three sites and return the coordinator's home."""
    command = [
        Path(sys.executable).with_name("fl-demo"),
        "--folder",
        folder,
        "--no-monitor",
        "--exit-when-done",
    ]
    subprocess.run(command, check=True)
    return folder / "home"


def draw_scan(folder: Path) -> list[Path]:
    """Draw the scan that each viewer sends to be searched, and return its two files."""
    subset = folder / "sent" / "subset0"
    subset.mkdir(parents=True)
    write_scan(subset.parent, ScanTask(seed=7, site_no=0, scan_no=0))
    return sorted(subset.iterdir())


def add_viewers(home: Path) -> None:
    """Let a coordinator and a hospital log in."""
    with closing(open_local_store(home)) as store:
        for name, role, site, _locale in VIEWERS:
            add_user(store, name, PASSWORD, role=role, site=site)


@contextmanager
def serve(home: Path) -> Iterator[str]:
    """Serve the monitor of this home."""
    port = find_free_port()
    command = [sys.executable, "-m", "fl_monitor", "--home", str(home), "--port", str(port)]
    process = subprocess.Popen(command, text=True)
    try:
        wait_until_up(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def take_all(url: str, folder: Path, scan: list[Path]) -> None:
    """Take the pictures of every viewer, width and colour scheme."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_FLAGS)
        for name, _role, _site, _locale in VIEWERS:
            send_scan(sign_in(browser.new_context(), url, name), url, scan)
        for width_px in WIDTHS_PX:
            for scheme in SCHEMES:
                for name, role, _site, locale in VIEWERS:
                    context = browser.new_context(
                        viewport={"width": width_px, "height": HEIGHT_PX}, color_scheme=scheme, locale=locale
                    )
                    take_pages(sign_in(context, url, name), role, url, folder, f"{role}-{width_px}-{scheme}")
                    context.close()
        browser.close()


def sign_in(context: Any, url: str, name: str) -> Any:
    """Return a tab of somebody who has signed in, in any language."""
    tab = context.new_page()
    tab.goto(url)
    tab.locator("input[autocomplete=username]").fill(name)
    tab.locator("input[type=password]").fill(PASSWORD)
    tab.get_by_test_id("stBaseButton-primaryFormSubmit").click()
    tab.locator(".fl-board[data-page]").wait_for()
    return tab


def send_scan(tab: Any, url: str, scan: list[Path]) -> None:
    """Have a scan searched, so that the page Scan has something to show."""
    tab.goto(f"{url}/scan")
    tab.locator(".fl-sender option").first.wait_for(state="attached")
    tab.locator(".fl-sender input[type=file]").first.set_input_files(scan)
    tab.locator(".fl-slice[data-slice]").first.wait_for(timeout=SEARCH_MS)


def take_pages(tab: Any, role: Role, url: str, folder: Path, name: str) -> None:
    """Open each page of a role and take it from top to bottom."""
    for page in list_titles(role):
        tab.goto(url if page == "live" else f"{url}/{page}")
        tab.locator(f".fl-board[data-page={page}]").wait_for(timeout=20_000)
        if page == "scan":
            tab.locator(".fl-finding").first.click(timeout=20_000)
        tab.wait_for_timeout(1_500)
        take_whole(tab, folder / f"{page}-{name}.png")


def take_whole(tab: Any, path: Path) -> None:
    """Make the window as tall as the page, so that Streamlit shows all of it."""
    size = tab.viewport_size
    height_px = tab.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    tab.set_viewport_size({**size, "height": min(height_px + 80, TALLEST_PX)})
    tab.wait_for_timeout(700)
    tab.screenshot(path=path)
    tab.set_viewport_size(size)


if __name__ == "__main__":
    main()
