"""Read JSON records of texts and entities with character offsets."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from ..json_records import SHOWN, Broken, bad_record, is_array, read_records, show
from ..sentence import CorpusError, EntitySpan, Kind, Options, Record, Sentence
from .entity_objects import find_ends, parse_offsets
from .label_studio_records import parse_label_studio
from .offset_records import (
    BadRecord,
    Entry,
    RawSpan,
    is_offset,
    parse_cluener,
    parse_doccano,
    parse_prodigy,
    parse_spacy,
)

TOOLS: Dict[str, Callable[[Any], Entry]] = {
    "cluener": parse_cluener,
    "doccano": parse_doccano,
    "prodigy": parse_prodigy,
    "label-studio": parse_label_studio,
    "spacy": parse_spacy,
    "offsets": parse_offsets,
}
# Records without entities may look the same in several formats.
N_LOOKED_AT = 100


class OffsetsReader:
    """Read the export of an annotation tool, or a corpus of such records.

    The file is read twice and never held in memory: first to count, then, on
    iteration, for the sentences.

    path (Path): The file, in UTF-8: one record per line, or one JSON array.
    options (Options): Nothing in them concerns this format.
    tool (str): Name of what wrote the file, one of TOOLS.
    RAISES (CorpusError): If no record of the file has the form of this tool.
    """

    def __init__(self, path: Path, options: Options, tool: str) -> None:
        self.path = path
        self.n_sentences = 0
        self._tool = tool
        self._parse = TOOLS[tool]
        self._survey()
        self.evidence = f"{tool}, records {self.n_sentences:,}"
        if tool == "offsets":
            inclusive, evidence = find_ends(self._first_entries())
            self._parse = partial(parse_offsets, inclusive=inclusive)
            self.evidence += f"; {evidence}"

    def __len__(self) -> int:
        return self.n_sentences

    def __iter__(self) -> Iterator[Sentence]:
        array = is_array(self.path)
        for number, (line, value) in enumerate(read_records(self.path), 1):
            # All of an array may stand on one line.
            place = f" (record {number:,})" if array else ""
            try:
                entry = self._parse(value)
            except BadRecord as error:
                broken = Broken(str(error), show(value))
                broken = value if isinstance(value, Broken) else broken
                broken = replace(broken, why=f"{broken.why}{place}")
                yield bad_record(self.path, line, broken)
            else:
                yield _make_sentence(entry, str(self.path), line, place)

    def _survey(self) -> None:
        """Count the records, and check that one of them at least can be read."""
        problem = ""
        n_good = 0
        for line, value in read_records(self.path):
            self.n_sentences += 1
            try:
                self._parse(value)
                n_good += 1
            except BadRecord as error:
                problem = problem or f"{self.path}:{line}: {error}"
        if problem and not n_good:
            raise CorpusError(f"{problem}: no record is as {self._tool} writes it")

    def _first_entries(self) -> Iterator[Entry]:
        for _, value in islice(read_records(self.path), N_LOOKED_AT):
            with suppress(BadRecord):
                yield self._parse(value)


def find_tool(path: Path) -> Optional[str]:
    """Look at the first records of a file for what wrote it.

    path (Path): The file.
    RETURNS (Optional[str]): Name of the tool, or None.
    """
    first = None
    try:
        for _, value in islice(read_records(path), N_LOOKED_AT):
            for tool, parse in TOOLS.items():
                try:
                    entry = parse(value)
                except BadRecord:
                    continue
                # A list of another tool may have entities, but not their labels.
                if any(span.label is not None for span in entry.spans):
                    return tool
                first = first or tool
    except CorpusError:
        pass
    return first


def matches(path: Path, tool: str) -> bool:
    """Look at the beginning of a file for records of a tool.

    path (Path): The file.
    tool (str): Name of the tool.
    RETURNS (bool): Whether this tool wrote it.
    """
    return path.is_file() and find_tool(path) == tool


def _make_sentence(entry: Entry, source: str, line: int, place: str) -> Sentence:
    spans: List[EntitySpan] = []
    records: List[Record] = []

    def add(
        kind: Kind,
        why: str,
        before: str = "",
        after: str = "",
        label: str = "",
        fault: bool = True,
    ) -> None:
        why = f"{why}{place}"
        records.append(Record(source, line, kind, why, before, after, label, fault))

    if entry.not_accepted:
        add("not-gold", entry.not_accepted, entry.text[:SHOWN], fault=False)
    for span, fault in [(s, find_fault(s, entry.text)) for s in entry.spans]:
        if fault:
            add("entity-dropped", f"entity dropped: {fault}", *_describe(span))
            continue
        spans.append(EntitySpan(span.start, span.end, span.label, line))
        marked = entry.text[span.start : span.end]
        if isinstance(span.text, str) and span.text != marked:
            why = "the text of an entity is another one at its offsets, which count"
            add("text-mismatch", why, span.text, marked, span.label)
    for span, why in entry.not_gold:
        add("entity-dropped", f"entity dropped: {why}", *_describe(span), fault=False)
    return Sentence(entry.text, spans, source, line, records)


def find_fault(span: RawSpan, text: str) -> str:
    """Say what is wrong with an entity.

    span (RawSpan): The entity, as it stands in the file.
    text (str): The text.
    RETURNS (str): The fault, empty if there is none.
    """
    start, end, label = span.start, span.end, span.label
    if not is_offset(start) or not is_offset(end):
        return "its offsets are no whole numbers"
    if not isinstance(label, str) or not label.strip():
        return "no label"
    if start == end:
        return "it is empty"
    if start > end:
        return "it ends before it begins"
    if start < 0 or end > len(text):
        return f"it is not within the text, which has {len(text):,} characters"
    return ""


def _describe(span: RawSpan) -> Tuple[str, str, str]:
    """What stands in the file about an entity, nothing after it, its label."""
    offsets = f"{span.start!r:.20}-{span.end!r:.20}"
    if span.given is not None:
        offsets = f"{span.given!r:.40}"
    text = f" {span.text:.{SHOWN}}" if isinstance(span.text, str) else ""
    return f"{offsets}{text}", "", span.label if isinstance(span.label, str) else ""
