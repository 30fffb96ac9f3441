"""Files of a result appear under their names only when all of them are complete."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_new(path: Path) -> None:
    """Raise FileExistsError if ``path`` is there and no empty folder, or ValueError if its folder is not."""
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise FileExistsError(f"{path} exists already. Name a new one, or remove it first.")
    if not path.parent.is_dir():
        raise ValueError(f"{path} cannot be written: there is no folder {path.parent}.")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes ``path`` if all goes well and is gone if not."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as unfinished:
        folder = Path(unfinished) / path.name
        folder.mkdir()
        yield folder
        folder.replace(path)


@contextmanager
def new_files(path: Path) -> Iterator[Path]:
    """Give a path to write to, and beside; all files go to the folder of ``path`` together, or are gone.

    The file ``path`` itself comes last, so whoever waits for it finds the others there.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as unfinished:
        partial = Path(unfinished) / path.name
        yield partial
        for file in sorted(Path(unfinished).iterdir(), key=lambda each: each == partial):
            file.replace(path.parent / file.name)
