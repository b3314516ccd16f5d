"""Folders that are replaced as a whole: the old one, then the new one, never a half."""

import ctypes
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Tuple

# Of Linux, for renameat2.
AT_FDCWD = -100
RENAME_EXCHANGE = 2


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Write a folder under another name, and put it in the place of the one that was there
    when it is complete. Linux exchanges the two in one step. Elsewhere, and on some network
    file systems, none has this name for a moment: if the process is killed just then,
    `settle` puts it right.

    path (Path): The folder.
    YIELDS (Path): A new, empty folder to write to.
    """
    path = path.resolve()
    settle(path)
    new, old = _names_aside(path)
    new.mkdir(parents=True)
    try:
        yield new
        _sync_all(new)
        if not path.exists():
            os.rename(new, path)
        elif not _exchange(new, path):
            os.rename(path, old)
            os.rename(new, path)
        _sync(path.parent)
    finally:
        settle(path)


def remove_folder(path: Path) -> None:
    """Remove a folder, at first its name.

    path (Path): The folder. It may be missing.
    """
    path = path.resolve()
    settle(path)
    if path.exists():
        _, old = _names_aside(path)
        os.rename(path, old)
        settle(path)


def settle(path: Path) -> None:
    """Finish or undo what a killed process has begun, and remove what it has left behind.

    path (Path): The folder that it was replacing.
    """
    path = path.resolve()
    new, old = _names_aside(path)
    if old.exists() and new.exists() and not path.exists():
        # Killed between two renames. The first one means that the new one is complete.
        os.rename(new, path)
    for folder in (new, old):
        if folder.exists():
            shutil.rmtree(folder)


def _names_aside(path: Path) -> Tuple[Path, Path]:
    """RETURNS (Tuple[Path, Path]): Where the new one is written, and where the old one goes
    if there is no exchange. The next process finds them by their names."""
    return path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")


def _exchange(one: Path, other: Path) -> bool:
    """RETURNS (bool): Whether the system could exchange the two names in one step."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    paths = os.fsencode(one), os.fsencode(other)
    failed = rename(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE)
    return not failed


def _sync_all(folder: Path) -> None:
    """Make sure that the content is on the disk before the name is: else a power failure
    could leave a folder of empty files."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    # Windows cannot do that to a folder, nor to a file that is open for reading.
    if os.name != "nt":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
