"""One writer per family of file formats: a Doc in, its lines out.

A writer is a function from a Doc to the text that says the same in its format,
and the records of everything that the format cannot say. It opens no file: that
is done in one place, `corpus.export`.
"""

from dataclasses import dataclass
from typing import Callable, List, NamedTuple, Sequence, Tuple

from spacy.tokens import Doc, Span

from ..schemes import Scheme
from ..sentence import Kind, Record


@dataclass(frozen=True)
class Annotated:
    """A Doc with the entities to write, and where it comes from.

    doc (Doc): The Doc.
    spans (Sequence[Span]): Its entities, each with tokens and a label. They may
        overlap.
    source (str): Path of the .spacy file.
    number (int): Which of the Docs of that file this is, counted from 1.
    """

    doc: Doc
    spans: Sequence[Span]
    source: str
    number: int

    def record(
        self, kind: Kind, why: str, before: str = "", after: str = "", label: str = ""
    ) -> Record:
        """RETURNS (Record): A record about this Doc. Its line is the Doc's number."""
        return Record(self.source, self.number, kind, why, before, after, label)

    def drop(self, span: Span, why: str) -> Record:
        """RETURNS (Record): The record of an entity that is not written."""
        why = f"entity dropped: {why}"
        return self.record("entity-dropped", why, span.text, label=span.label_)


class Style(NamedTuple):
    """How Docs are to be written, for the formats that leave a choice.

    scheme (Scheme): Tagging scheme.
    space (str): What a reader puts between the tokens of rows: nothing, or a
        space.
    """

    scheme: Scheme
    space: str


class Written(NamedTuple):
    """What a writer makes of a Doc.

    parts (Tuple[str, ...]): The text for each of the files of the format.
    records (List[Record]): Everything that could not be written as it is. For
        each entity that is not written, there is an "entity-dropped" record.
    """

    parts: Tuple[str, ...]
    records: List[Record]


Writer = Callable[[Annotated, Style], Written]

# At the beginning of a file this is no content: a text that begins with it needs
# another one.
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def without_whitespace(item: Annotated) -> Tuple[List[str], List[Record]]:
    """Make the labels fit for formats that separate columns by whitespace.

    item (Annotated): The Doc.
    RETURNS (Tuple[List[str], List[Record]]): The label of each span, and every
        one that had to be changed.
    """
    labels = ["_".join(span.label_.split()) for span in item.spans]
    why = "a label with whitespace, which separates columns in this format"
    records = [
        item.record("label-changed", why, span.label_, label, span.label_)
        for span, label in zip(item.spans, labels, strict=True)
        if label != span.label_
    ]
    return labels, records
