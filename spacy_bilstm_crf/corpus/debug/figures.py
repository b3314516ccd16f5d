"""The figures that describe the data a pipeline is trained and tested on."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, List, Literal, Optional

Problem = Literal[
    "empty",  # a document without a token, or of whitespace only
    "unannotated",  # a document of which nobody has said where its entities are
    "too-long",  # a document longer than asked
    "duplicate",  # a document with the text of an earlier one
    "conflict",  # a duplicate with other entities than the first of its kind
    "tokenization",  # a document that the pipeline's tokenizer cuts differently
    "misaligned",  # an entity that is lost because the pipeline's tokens do not fit it
    "whitespace-edge",  # an entity that begins or ends with whitespace
    "punctuation-edge",  # an entity that begins or ends with punctuation
    "ambiguous",  # a surface form of entities that has several labels
]


@dataclass(frozen=True)
class Lengths:
    """The distribution of a number of lengths, in tokens.

    mean (float): The mean.
    median (int): Half of them are not longer than this.
    p95 (int): 95 in 100 are not longer than this.
    longest (int): The longest.
    """

    mean: float
    median: int
    p95: int
    longest: int


@dataclass(frozen=True)
class LabelFigures:
    """The entities of one label in one split.

    count (int): Number of entities.
    share (float): Their share of all entities of the split.
    documents (int): Number of documents that have one.
    lengths (Lengths): Their lengths.
    forms (int): Number of distinct surface forms.
    seen (Optional[float]): Share of the entities whose surface form has the same
        label somewhere in the training data. None for the training data itself.
    """

    count: int
    share: float
    documents: int
    lengths: Lengths
    forms: int
    seen: Optional[float]


@dataclass
class Overlap:
    """What a split has in common with an earlier one.

    texts (int): Number of distinct texts that are in both.
    share (float): Their share of the distinct texts of this split.
    conflicts (int): Those with other entities here than there.
    examples (List[str]): The first of them.
    conflict_examples (List[str]): The first of those with other entities.
    """

    texts: int = 0
    share: float = 0.0
    conflicts: int = 0
    examples: List[str] = field(default_factory=list)
    conflict_examples: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class SplitFigures:
    """All figures of one split.

    documents (int): Documents that training is given.
    unread_tokens (int): Tokens of the files that training is not given.
    texts (int): Distinct texts.
    tokens (int): Tokens of the corpus, which need not be those of the pipeline.
    missing_tokens (int): Tokens without entity annotation.
    entities (int): Entities.
    entities_per_document (float): Their mean number.
    without_entities (int): Annotated documents that have none.
    forms (int): Distinct surface forms of entities.
    seen (Optional[float]): Share of the entities whose surface form has the same
        label somewhere in the training data. None for the training data itself.
    lengths (Lengths): Lengths of the documents.
    labels (Dict[str, LabelFigures]): The entities of each label, most frequent first.
    overlaps (Dict[str, Overlap]): What is in an earlier split as well, by its name.
    problems (Dict[Problem, int]): How often each problem was met, if it was.
    examples (Dict[Problem, List[str]]): Some of each: the first; of "ambiguous" the
        most frequent.
    """

    documents: int
    unread_tokens: int
    texts: int
    tokens: int
    missing_tokens: int
    entities: int
    entities_per_document: float
    without_entities: int
    forms: int
    seen: Optional[float]
    lengths: Lengths
    labels: Dict[str, LabelFigures]
    overlaps: Dict[str, Overlap]
    problems: Dict[Problem, int]
    examples: Dict[Problem, List[str]]


@dataclass(frozen=True)
class Recognizer:
    """A component of the pipeline that learns entities.

    factory (str): Its factory.
    labels (Optional[List[str]]): The labels that it is told of, by the config or by
        the pipeline it comes from. None if it takes them from the training data.
    """

    factory: str
    labels: Optional[List[str]]


@dataclass(frozen=True)
class Figures:
    """The figures of all data of a config.

    lang (str): Language of the pipeline.
    recognizers (Dict[str, Recognizer]): Its components that learn entities, by name.
    max_tokens (int): Documents longer than this were counted as too long.
    discard_oversize (bool): Whether the batcher leaves out what exceeds a batch.
    splits (Dict[str, SplitFigures]): The figures of "train", "dev" and, if there was
        one, "test".
    """

    lang: str
    recognizers: Dict[str, Recognizer]
    max_tokens: int
    discard_oversize: bool
    splits: Dict[str, SplitFigures]


def summarize(lengths: Counter[int]) -> Lengths:
    """Describe a number of lengths.

    lengths (Counter[int]): How often there is each length.
    RETURNS (Lengths): Their distribution, all 0 if there are none.
    """
    n = lengths.total()
    if not n:
        return Lengths(0.0, 0, 0, 0)
    mean = sum(length * count for length, count in lengths.items()) / n
    return Lengths(mean, percentile(lengths, 50), percentile(lengths, 95), max(lengths))


def percentile(lengths: Counter[int], percent: int) -> int:
    """Find the shortest length that so many in a hundred do not exceed.

    lengths (Counter[int]): How often there is each length, at least one of them.
    percent (int): From 1 to 100.
    RETURNS (int): The length.
    """
    rank = math.ceil(lengths.total() * percent / 100)
    below = 0
    for length in sorted(lengths):
        below += lengths[length]
        if below >= rank:
            break
    return length
