"""Where exported text goes: a file, or a folder with files for each Doc. Either is
written under another name and renamed, so that an interrupted run leaves nothing
half done.
"""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Tuple

from ..outputs import aside
from ..sentence import CorpusError
from . import BOM

# Takes what the writer made of the next Doc.
Sink = Callable[[Tuple[str, ...]], None]


@contextmanager
def open_file(path: Path) -> Iterator[Sink]:
    """Write all Docs to a file.

    path (Path): The file. Its folder is created if need be.
    YIELDS (Sink): Appends a Doc.
    """
    if path.is_dir():
        raise CorpusError(f"{path} is a folder: give another name to the output")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = aside(path)
    try:
        with temporary.open("x", encoding="utf8", newline="") as file_:

            def append(parts: Tuple[str, ...]) -> None:
                text = "".join(parts)
                if text.startswith(BOM) and not file_.tell():
                    file_.write(BOM)
                file_.write(text)

            yield append
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def open_folder(path: Path, suffixes: Tuple[str, ...]) -> Iterator[Sink]:
    """Write each Doc to files of its own, numbered from 000001.

    path (Path): The folder. It is created, and must be empty if it exists.
    suffixes (Tuple[str, ...]): Names of the files of a Doc end like this.
    YIELDS (Sink): Adds a Doc.
    """
    if path.exists() and not path.is_dir():
        raise CorpusError(f"{path} is no folder, which this format needs")
    if path.is_dir() and any(path.iterdir()):
        # Old files would be read as part of the new corpus.
        raise CorpusError(f"{path} is not empty: remove it, or name another output")
    temporary = aside(path)
    temporary.mkdir(parents=True)
    number = 0

    def add(parts: Tuple[str, ...]) -> None:
        nonlocal number
        number += 1
        for suffix, text in zip(suffixes, parts, strict=True):
            # Bytes, as line ends are content.
            (temporary / f"{number:06}{suffix}").write_bytes(text.encode("utf8"))

    try:
        yield add
        if path.is_dir():
            path.rmdir()
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
