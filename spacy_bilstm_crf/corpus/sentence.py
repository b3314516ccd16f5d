"""The small types on the road from a corpus to Docs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Literal, NamedTuple, Optional, Protocol, Sequence, Tuple

# First token, token after the last one, label.
TokenSpan = Tuple[int, int, str]

Kind = Literal[
    "illegal-tag",  # a tag that its scheme does not allow here, read as another
    "unknown-tag",  # no tag of any scheme, read as O
    "column-count",  # more or fewer columns than the other lines of the file
    "length-mismatch",  # not as many tags as tokens: the sentence is dropped
    "bad-record",  # a line or entry that cannot be understood at all
    "not-gold",  # marked as rejected or not annotated: the sentence is dropped
    "text-mismatch",  # the text given for a span is not the text at its offsets
    "not-read",  # a file of a folder, or a line of a file, that is no corpus
    "missing-file",  # one half of a pair of files is missing
    "not-utf8",  # cannot be decoded: the sentence is dropped
    "too-long",  # longer than the pipeline accepts: the sentence is dropped
    "empty-file",  # a file without a single token
    "span-trimmed",  # whitespace at the edges of a span was cut off
    "span-expanded",  # a span that cut a token was widened to the whole of it
    "split-too-long",  # a piece longer than asked, as an entity fills it
    "text-changed",  # export: the text of a Doc cannot be written as it is
    "label-changed",  # export: a label cannot be written as it is
    "not-annotated",  # export: tokens without annotation are written as no entity
    "entity-dropped",  # an entity that is not in the output
    "sentence-dropped",  # a sentence that is not in the output
]
# Kinds of record that leave no true sentence to keep, whatever is done about
# errors.
UNREPAIRABLE = frozenset(
    ("not-utf8", "too-long", "length-mismatch", "bad-record", "not-gold", "missing-file")
)


class CorpusError(ValueError):
    """Raised for input that cannot be converted. The message names the place
    and what to do about it.
    """


class EntitySpan(NamedTuple):
    """An entity over the tokens of a sentence.

    start (int): Index of the first token.
    end (int): Index after the last token.
    label (str): Label of the entity.
    line (int): Line number in the source that the entity stands on.
    """

    start: int
    end: int
    label: str
    line: int


@dataclass(frozen=True)
class Record:
    """One repair, adjustment or drop: what stood in the file, what became of it.

    source (str): Path of the file.
    line (int): Line number, counted from 1.
    kind (Kind): What kind of repair or drop this is.
    why (str): The reason, in words.
    before (str): What stands in the file.
    after (str): What was made of it, empty if it was dropped.
    label (str): Label of the entity, where the record is about one.
    fault (bool): Whether it is one: "skip" leaves out sentences with faults, and
        "raise" stops at them. What somebody rejected or marked as a header is none.
    """

    source: str
    line: int
    kind: Kind
    why: str
    before: str = ""
    after: str = ""
    label: str = ""
    fault: bool = True

    def __str__(self) -> str:
        change = f" -> {self.after!r}" if self.after else ""
        what = f" ({self.before!r}{change})" if self.before or self.after else ""
        return f"{self.source}:{self.line}: {self.why}{what}"


@dataclass(frozen=True)
class Sentence:
    """A sentence or document of a corpus: tokens with labelled spans over them.

    A reader always repairs and says so in `records`; whether a repaired
    sentence is kept is decided in one place, `corpus.convert`.

    tokens (Sequence[str]): Either a list of tokens in the file's own
        tokenization, none of them empty. They are joined as the language of the
        pipeline writes words. Or a str, the text itself, for formats that mark
        entities by character offsets: its tokens are its characters.
    spans (Sequence[EntitySpan]): The entities, in any order. They may overlap.
    source (str): Path of the file.
    line (int): Line number of the first token.
    records (Sequence[Record]): What the reader had to repair. A sentence that
        cannot be kept has a record of an UNREPAIRABLE kind. An entity that the
        reader cannot give as a span is an "entity-dropped" record with its label.
    """

    tokens: Sequence[str]
    spans: Sequence[EntitySpan]
    source: str
    line: int
    records: Sequence[Record] = ()

    @property
    def is_text(self) -> bool:
        return isinstance(self.tokens, str)


@dataclass(frozen=True)
class Options:
    """How files are to be read, where they do not say it themselves. Each reader
    takes what concerns it.

    scheme (str): Name of the tagging scheme, or "auto" to detect it per file.
    token_column (int): Column of the token, counted from 0, from the end if
        negative.
    tag_column (int): Column of the tag, likewise.
    comment (Optional[str]): Lines that begin with this are skipped.
    segmentation (bool): Cut the digit off tokens such as Weibo's 科0 技1, where
        it numbers the characters of a word.
    """

    scheme: str = "auto"
    token_column: int = 0
    tag_column: int = -1
    comment: Optional[str] = None
    segmentation: bool = False


class Reader(Protocol):
    """A file, or a folder that is one source, as a series of sentences. It may
    be iterated over several times, and never holds all of them in memory.

    A reader raises CorpusError, on construction, for a file that is not of its
    format at all. Anything that concerns one sentence is a record of it.
    """

    evidence: str  # how the file was understood, for the screen

    def __init__(self, path: Path, options: Options) -> None: ...

    def __iter__(self) -> Iterator[Sentence]: ...

    def __len__(self) -> int: ...
