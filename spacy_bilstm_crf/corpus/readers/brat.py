"""Read BRAT standoff: texts (.txt) with the entities in a file beside each (.ann)."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Tuple, Union

from ..lines import NOT_UTF8, decode, read_lines
from ..sentence import CorpusError, EntitySpan, Options, Record, Sentence

# Relations, events, attributes (M in old files), normalizations, notes, equivalences.
OTHER_LINE = re.compile(rb"[REAMN][0-9]|[#*]")
BOM = "\ufeff"
# Stricter than int(), which also takes signs, underscores and full-width digits.
FRAGMENT = re.compile(r" *([0-9]{1,18}) +([0-9]{1,18}) *")
# A space where the first tab should be. What follows is not in its columns.
NO_TAB = re.compile(r"T[0-9]+ ")
LINE_BREAK = re.compile(r"\r?\n|\r")


class Entity(NamedTuple):
    """What a T line says.

    label (str): The type of the entity, empty if it has none.
    offsets (str): Start and end of each of its fragments.
    text (Optional[str]): Its text, if given.
    """

    label: str
    offsets: str = ""
    text: Optional[str] = None


class BratReader:
    """Read a folder of documents, or one document. Entities may be nested, cross
    each other, or have the same place.

    Offsets count characters, and the two of a CR LF are two. A byte order mark
    counts in BRAT as well: it is cut off here, and the offsets follow.

    path (Path): The folder, or the .ann or the .txt file of one document.
    options (Options): Nothing in them concerns this format.
    RAISES (CorpusError): If there is no .ann file.
    """

    def __init__(self, path: Path, options: Options = Options()) -> None:
        self._texts = _documents(path)
        if not any(text.with_suffix(".ann").is_file() for text in self._texts):
            where = "in" if path.is_dir() else "beside"
            raise CorpusError(f"{path}: no .ann file {where} it, where BRAT has entities")
        self.evidence = self._survey(path)

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Sentence]:
        return map(_read_document, self._texts)

    def _survey(self, path: Path) -> str:
        n_entities = 0
        others: Counter[str] = Counter()
        for text in self._texts:
            for _, line in _lines(text.with_suffix(".ann")):
                if OTHER_LINE.match(line):
                    others[chr(line[0])] += 1
                else:
                    n_entities += 1
        evidence = f"BRAT, documents {len(self):,}, entities {n_entities:,}"
        if others:
            counts = ", ".join(f"{kind} {n:,}" for kind, n in sorted(others.items()))
            evidence += f"; lines not read: {counts}"
        ignored = [p for p in _files(path) if p.suffix not in (".txt", ".ann", ".conf")]
        if ignored:
            evidence += f"; files not read: {len(ignored):,}, first {min(ignored).name}"
        return evidence


def matches(path: Path) -> bool:
    """Look for entities in a file of their own.

    path (Path): A file or folder.
    RETURNS (bool): Whether it is a document in BRAT standoff, or has some.
    """
    if path.is_dir():
        return any(file_.suffix == ".ann" for file_ in _files(path))
    halves = path.suffix in (".ann", ".txt")
    return halves and path.with_suffix(".ann").is_file()


def text_file(path: Path) -> Optional[Path]:
    """Find the text of an .ann file.

    path (Path): A file.
    RETURNS (Optional[Path]): The text beside it, or None if it is no .ann file.
    """
    return path.with_suffix(".txt") if path.suffix == ".ann" else None


def _files(path: Path) -> List[Path]:
    if not path.is_dir():
        return []
    # Names that begin with a dot are copies that systems and editors leave.
    return [p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")]


def _documents(path: Path) -> List[Path]:
    """The text of each document, whether that file exists or not."""
    halves = _files(path) if path.is_dir() else [path]
    texts = {p.with_suffix(".txt") for p in halves if p.suffix in (".txt", ".ann")}
    return sorted(texts)


def _lines(path: Path) -> Iterator[Tuple[int, bytes]]:
    """The lines of an .ann file that are not blank. None, if it is missing."""
    lines = read_lines(path) if path.is_file() else iter(())
    return ((number, line) for number, line in lines if line.strip())


def _read_document(text_path: Path) -> Sentence:
    path = text_path.with_suffix(".ann")
    source = str(path if path.is_file() else text_path)
    content, records = _read_text(text_path, source)
    text = content or ""
    if not path.is_file():
        why = f"no entities: {path.name} is not beside it"
        records.append(Record(source, 1, "missing-file", why))
    spans: List[EntitySpan] = []
    undecodable = 0
    for number, raw in _lines(path):
        if OTHER_LINE.match(raw):
            continue
        line = decode(raw)
        if line is None:
            undecodable = undecodable or number
            line = raw.decode("utf8", "replace")
        span, record = _read_entity(line, content, source, number)
        if span is not None:
            spans.append(span)
        if record is not None:
            records.append(record)
    if undecodable:
        records.append(Record(source, undecodable, "not-utf8", NOT_UTF8))
    return Sentence(text.removeprefix(BOM), spans, source, 1, records)


def _read_text(path: Path, source: str) -> Tuple[Optional[str], List[Record]]:
    """Read a text, with the byte order mark, which offsets count, if it can be read."""
    if not path.is_file():
        why = f"no text: {path.name} is not beside it"
        return None, [Record(source, 1, "missing-file", why)]
    # Not read_text, which makes one character of CR LF.
    content = path.read_bytes()
    text = decode(content)
    if text is not None:
        return text, []
    lines = content.split(b"\n")
    number = next(i for i, line in enumerate(lines, 1) if decode(line) is None)
    return None, [Record(str(path), number, "not-utf8", NOT_UTF8)]


def _read_entity(
    line: str, text: Optional[str], source: str, number: int
) -> Tuple[Optional[EntitySpan], Optional[Record]]:
    """Read a T line, or a line that might have been meant as one."""
    entity = _parse(line)
    label = entity.label
    if text is None:
        why = "entity dropped with its document"
        return None, Record(source, number, "entity-dropped", why, line, label=label)
    fragments = _locate(entity, text)
    if NO_TAB.match(line):
        fragments = "its columns are not separated by tabs"
    if isinstance(fragments, str):
        why = f"entity dropped: {fragments}"
        return None, Record(source, number, "entity-dropped", why, line, label=label)
    start, end = fragments[0][0], fragments[-1][1]
    # The text stands on one line: it has a space for a line break at best.
    joined = " ".join(text[i:j] for i, j in fragments)
    record = None
    if entity.text not in (joined, LINE_BREAK.sub(" ", joined)):
        why = "the text of the entity is not the text at its offsets"
        before, after = entity.text or "", text[start:end]
        record = Record(source, number, "text-mismatch", why, before, after, label)
    shift = len(BOM) if text.startswith(BOM) else 0
    return EntitySpan(max(start - shift, 0), end - shift, label, number), record


def _parse(line: str) -> Entity:
    """Take a T line apart, as far as it goes."""
    identifier, *fields = line.split("\t", 2)
    if not identifier.startswith("T") or NO_TAB.match(line) or not fields:
        return Entity("")
    label, _, offsets = fields[0].partition(" ")
    return Entity(label, offsets, fields[1] if len(fields) > 1 else None)


def _locate(entity: Entity, text: str) -> Union[List[Tuple[int, int]], str]:
    """Find the fragments of an entity, or say why it cannot be one span."""
    if not entity.label:
        return "not a line of BRAT: write T1, tab, label, space, start, space, end"
    fragments = []
    for fragment in entity.offsets.split(";"):
        match = FRAGMENT.fullmatch(fragment)
        if match is None:
            return "its offsets are not two numbers for each fragment"
        fragments.append((int(match[1]), int(match[2])))
    last = max(end for _, end in fragments)
    if last > len(text):
        return f"it ends at {last}, after the end of the text at {len(text)}"
    # A byte order mark at the beginning is counted, but is no text.
    first = len(BOM) if text.startswith(BOM) else 0
    if any(end <= max(start, first) for start, end in fragments):
        return "it is empty, or ends before it begins"
    for (_, left), (right, _) in pairwise(fragments):
        if left > right:
            return "its fragments overlap, or are not in order"
        if text[left:right].strip():
            return "discontinuous: there is other text between its fragments"
    return fragments
