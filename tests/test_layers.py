"""Holds the table of layers: who may import whom, and which libraries stay out of where."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("luna16", "fl_core", "fl_store", "fl_client", "fl_server", "fl_monitor")
PARTS = (*PACKAGES, "monitor_app")

CORE_WITHOUT_FLOWER = (
    "fl_core.config",
    "fl_core.errors",
    "fl_core.locks",
    "fl_core.processes",
    "fl_core.terminal",
)
MAY_IMPORT_OF_OURS: dict[str, tuple[str, ...]] = {
    "luna16": (),
    "fl_core": (
        "luna16.config",
        "luna16.counts",
        "luna16.data_card",
        "luna16.detection.counts",
        "luna16.settings_file",
        "luna16.whole_files",
    ),
    "fl_store": CORE_WITHOUT_FLOWER,
    "fl_client": ("luna16", "fl_core"),
    "fl_server": ("luna16", "fl_core", "fl_store"),
    "fl_monitor": (
        *CORE_WITHOUT_FLOWER,
        "fl_store",
        "monitor_app",
        "luna16.quiet_start",
        "luna16.whole_files",
    ),
    "monitor_app": (*CORE_WITHOUT_FLOWER, "fl_store", "fl_monitor"),
}
MUST_NOT_IMPORT: dict[str, tuple[str, ...]] = {
    "luna16": ("flwr", "streamlit", "supabase", "dotenv"),
    "fl_core": ("torch", "monai", "streamlit", "supabase", "flwr"),
    "fl_store": ("torch", "monai", "flwr", "streamlit", "supabase"),
    "fl_client": ("supabase", "streamlit", "sqlalchemy"),
    "fl_server": ("streamlit", "supabase"),
    "fl_monitor": ("torch", "monai", "flwr", "supabase"),
    "monitor_app": ("torch", "monai", "flwr", "supabase"),
}
EXCEPTIONS = {
    ("fl_core/messages.py", "flwr"),
    ("fl_core/prompt_flower.py", "flwr"),
    ("fl_core/replies.py", "flwr"),
    ("fl_core/status.py", "flwr"),
    ("fl_store/supabase.py", "supabase"),
}


def find_imports(source: str) -> Iterator[str]:
    """Yield each imported name in full, also of imports inside functions: ``from a import b`` is a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def find_faults(path: str, source: str) -> list[str]:
    """Return the imports of a file that its layer does not allow."""
    part = path.split("/", maxsplit=1)[0].removesuffix(".py")
    allowed = (part, *MAY_IMPORT_OF_OURS[part])
    names = list(find_imports(source))
    strangers = [
        name
        for name in names
        if any(is_within(name, ours) for ours in PARTS) and not any(is_within(name, each) for each in allowed)
    ]
    forbidden = [
        name
        for name in names
        for library in MUST_NOT_IMPORT[part]
        if is_within(name, library) and (path, library) not in EXCEPTIONS
    ]
    return strangers + forbidden


def source_files() -> list[str]:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in [*files, ROOT / "monitor_app.py"])


@pytest.mark.parametrize("path", source_files())
def test_file_imports_only_what_its_layer_may(path: str) -> None:
    assert find_faults(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("luna16/x.py", "import fl_core"),
        ("luna16/x.py", "import flwr.app as f"),
        ("fl_core/x.py", "from luna16 import training"),
        ("fl_core/x.py", "from flwr.app import Message"),
        ("fl_store/x.py", "from fl_core import messages"),
        ("fl_store/x.py", "from fl_core.replies import JoinReply"),
        ("fl_store/sqlite.py", "import supabase"),
        ("fl_client/x.py", "def f():\n    from fl_store.base import Store"),
        ("fl_server/x.py", "if True:\n    import fl_client.home"),
        ("fl_monitor/pages/x.py", "try:\n    import torch\nexcept ImportError:\n    pass"),
        ("monitor_app.py", "from fl_server import cli"),
    ],
)
def test_forbidden_import_is_found_wherever_it_hides(path: str, line: str) -> None:
    assert len(find_faults(path, line)) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("fl_core/messages.py", "from flwr.app import Message"),
        ("fl_store/supabase.py", "import supabase"),
        ("fl_core/x.py", "from luna16.counts import EvalCounts"),
        ("fl_client/x.py", "import fl_client.home, fl_core.messages, luna16.training"),
        ("monitor_app.py", "from fl_monitor import live"),
        ("luna16/x.py", "import flwrx, torch"),
    ],
)
def test_allowed_import_is_no_fault(path: str, line: str) -> None:
    assert find_faults(path, line) == []
