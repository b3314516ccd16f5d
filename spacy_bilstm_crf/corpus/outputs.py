"""Which DocBin files are written, and writing them all or not at all."""

import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Dict, Iterable, Iterator, List, Optional, Type

from spacy.tokens import Doc, DocBin

from .docbin import new_docbin, write_docbin
from .sentence import CorpusError


def plan_outputs(sources: List[Path], output: Path) -> Dict[Path, List[Path]]:
    """Decide which sources go where, and find clashes before anything is written.

    sources (List[Path]): Files, and folders that are one corpus.
    output (Path): A .spacy file for all sources, or a folder for a file each.
    RETURNS (Dict[Path, List[Path]]): The sources of each output file.
    """
    if output.suffix == ".spacy":
        if output.is_dir():
            raise CorpusError(f"{output} is a folder: give another name to the output")
        return {output: sources}
    if output.exists() and not output.is_dir():
        raise CorpusError(f"{output} is no folder: the output is a .spacy file or a folder")
    if output.suffix in (".json", ".jsonl", ".txt", ".bio", ".bmes", ".conll"):
        raise CorpusError(f"{output} would be a folder: name it OUTPUT.spacy, or otherwise")
    plan: Dict[Path, List[Path]] = {}
    # Up to the first dot, train.char.bmes -> train.spacy, unless that would make
    # one name of example.train and example.dev.
    stems = Counter(path.resolve().name.split(".")[0] for path in sources)
    for path in sources:
        name = path.resolve().name
        stem = name.split(".")[0]
        target = output / f"{stem if stems[stem] == 1 else name}.spacy"
        if target in plan:
            raise CorpusError(
                f"{plan[target][0]} and {path} would both be written to {target}: "
                "rename one, or join them in one .spacy file"
            )
        plan[target] = [path]
    return plan


def check_distinct(
    sources: Iterable[Path], outputs: Iterable[Path], report: Optional[Path]
) -> None:
    """Make sure that no file is written over another one.

    sources (Iterable[Path]): What is read.
    outputs (Iterable[Path]): What is written.
    report (Optional[Path]): The list of records.
    """
    given = {path.resolve() for path in sources}
    written = [*outputs, *([report] if report else [])]
    for path in written:
        # Within a folder that is read, a new file could be taken for a part of it.
        if given & {path.resolve(), path.resolve().parent}:
            raise CorpusError(f"{path} is an input, or within one: name another file")
    if len({path.resolve() for path in written}) < len(written):
        raise CorpusError(f"{report} is the output too: give another name to the report")


def aside(path: Path) -> Path:
    """Choose where a file or folder is written before it is complete. It is to be opened
    with "x": a link that others put there must not lead to a file of theirs or ours.

    path (Path): The file or folder.
    RETURNS (Path): A path beside it, where no file is.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if temporary.is_symlink() or temporary.is_file():
        # Of a process of the same number that was killed, as a rule.
        temporary.unlink()
    return temporary


@contextmanager
def write_whole(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that gets its name when it is complete.

    path (Path): The file. One that is there is replaced.
    YIELDS (IO[bytes]): What to write to.
    """
    temporary = aside(path)
    try:
        with temporary.open("xb") as file_:
            yield file_
            # The content before the name, also if the power fails.
            file_.flush()
            os.fsync(file_.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Outputs:
    """Write DocBin files under other names, and rename them all at the end, so
    that an interrupted run leaves no half file and no half corpus behind.
    """

    def __init__(self) -> None:
        self._temporary: Dict[Path, Path] = {}

    def __enter__(self) -> "Outputs":
        return self

    def write(self, docs: DocBin, path: Path) -> None:
        """Write a file that appears when all are done.

        docs (DocBin): The Docs.
        path (Path): The file. Its folder is created if need be.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = aside(path)
        self._temporary[path] = temporary
        write_docbin(docs, temporary)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        with ExitStack() as stack:
            for temporary in self._temporary.values():
                stack.callback(temporary.unlink, missing_ok=True)
            if kind is None:
                for path, temporary in self._temporary.items():
                    os.replace(temporary, path)


class Shards:
    """Collect the Docs of one output, in one file or in a folder of numbered
    files, which spaCy's corpus reader takes as well.

    outputs (Outputs): Where the files are written.
    path (Path): The output, NAME.spacy. Numbered files are NAME/00001.spacy and
        so on.
    numbered (bool): Whether there may be several files.
    """

    def __init__(self, outputs: Outputs, path: Path, numbered: bool) -> None:
        self.sizes: Dict[Path, int] = {}
        self._outputs = outputs
        self._path = path
        self._numbered = numbered
        self._docs = new_docbin()
        folder = path.with_suffix("")
        if numbered and folder.is_symlink():
            raise CorpusError(f"{folder} is a link to another folder: remove it first")
        others = [path] if numbered else [*folder.glob("?????.spacy")]
        if numbered and folder.is_dir():
            others += folder.iterdir()
        if any(other.exists() for other in others):
            # Old files would be read as part of the new corpus.
            old = next(other for other in others if other.exists())
            raise CorpusError(f"{old} is from another run: remove it, or rename the output")

    def __len__(self) -> int:
        return len(self._docs)

    def add(self, doc: Doc) -> None:
        """Add a Doc to the current file."""
        self._docs.add(doc)

    def next_file(self) -> None:
        """Write the Docs at hand, if there are any, and start another file."""
        if not len(self._docs):
            return
        path = self._path
        if self._numbered:
            path = path.with_suffix("") / f"{len(self.sizes) + 1:05}.spacy"
        self._outputs.write(self._docs, path)
        self.sizes[path] = len(self._docs)
        self._docs = new_docbin()
