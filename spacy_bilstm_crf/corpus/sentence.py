"""The small types on the road from a corpus to Docs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Literal, Protocol, Sequence, Tuple

# First token, token after the last one, label. Spans of one sentence may come
# in any order.
TokenSpan = Tuple[int, int, str]

Kind = Literal[
    "illegal-tag",  # a tag that its scheme does not allow here, read as another
    "unknown-tag",  # no tag of any scheme, read as O
    "column-count",  # more or fewer columns than the other lines of the file
    "not-utf8",  # cannot be decoded: the sentence is dropped
    "too-long",  # longer than the pipeline accepts: the sentence is dropped
    "empty-file",  # a file without a single token
    "span-trimmed",  # whitespace at the edges of a span was cut off
    "span-expanded",  # a span that cut a token was widened to the whole of it
    "entity-dropped",  # an entity that is not in the output
    "sentence-dropped",  # a sentence that is not in the output
]


class CorpusError(ValueError):
    """Raised for input that cannot be converted. The message names the place
    and what to do about it.
    """


@dataclass(frozen=True)
class Record:
    """One repair or drop: what stood in the file and what became of it.

    source (str): Path of the file.
    line (int): Line number, counted from 1.
    kind (Kind): What kind of repair or drop this is.
    why (str): The reason, in words.
    before (str): What stands in the file.
    after (str): What was made of it, empty if it was dropped.
    label (str): Label of the entity, where the record is about one.
    """

    source: str
    line: int
    kind: Kind
    why: str
    before: str = ""
    after: str = ""
    label: str = ""

    def __str__(self) -> str:
        change = f" -> {self.after!r}" if self.after else ""
        what = f" ({self.before!r}{change})" if self.before or self.after else ""
        return f"{self.source}:{self.line}: {self.why}{what}"


@dataclass(frozen=True)
class Sentence:
    """A sentence of a corpus: tokens with labelled spans over them.

    A reader always repairs and says so in `records`; whether a repaired
    sentence is kept is decided in one place, `corpus.convert`.

    Readers of text with offsets (BRAT, span JSON) fit in without a second type:
    a `str` is a sequence of one-character tokens, so they can hand over the text
    itself as `tokens`, and its character offsets are token indices. What they
    will add is two fields with defaults: that these tokens are joined without
    spaces whatever the language, and which line each one stands on.

    tokens (Sequence[str]): The tokens, in the file's own tokenization. None of
        them is empty.
    spans (Sequence[TokenSpan]): The entities as (start, end, label), in tokens,
        end exclusive.
    source (str): Path of the file.
    line (int): Line number of the first token. The file has one token per line,
        so token i stands on line + i.
    records (Sequence[Record]): What the reader had to repair.
    """

    tokens: Sequence[str]
    spans: Sequence[TokenSpan]
    source: str
    line: int
    records: Sequence[Record] = ()

    def record(
        self,
        index: int,
        kind: Kind,
        why: str,
        before: str = "",
        after: str = "",
        label: str = "",
    ) -> Record:
        """Make a record about the token at an index."""
        line = self.line + index
        return Record(self.source, line, kind, why, before, after, label)


@dataclass
class Report:
    """What went in, what came out, and every difference.

    Entities read are entities written plus entities dropped, per label.

    evidence (Dict[str, str]): Scheme of each input file and what speaks for it.
    outputs (Dict[str, int]): Number of Docs in each output file.
    sentences_read (int): Sentences in the inputs.
    sentences_written (int): Docs in the outputs.
    tokens_read (int): Tokens in the inputs.
    tokens_written (int): Tokens in the outputs, as the pipeline cuts them.
    entities_read (Counter[str]): Entities in the inputs, by label.
    entities_written (Counter[str]): Entities in the outputs, by label.
    records (List[Record]): Every repair and drop.
    """

    evidence: Dict[str, str] = field(default_factory=dict)
    outputs: Dict[str, int] = field(default_factory=dict)
    sentences_read: int = 0
    sentences_written: int = 0
    tokens_read: int = 0
    tokens_written: int = 0
    entities_read: Counter[str] = field(default_factory=Counter)
    entities_written: Counter[str] = field(default_factory=Counter)
    records: List[Record] = field(default_factory=list)

    @property
    def entities_dropped(self) -> Counter[str]:
        dropped = (r.label for r in self.records if r.kind == "entity-dropped")
        return Counter(dropped)

    @property
    def kinds(self) -> Counter[str]:
        return Counter(record.kind for record in self.records)


class Reader(Protocol):
    """What `corpus.convert` asks of a reader: sentences, how many there are and
    how the file was understood.
    """

    evidence: str

    def __iter__(self) -> Iterator[Sentence]: ...

    def __len__(self) -> int: ...
