"""Labels <-> BILUO tag ids <-> spans, and which tag may follow which.

One layout for the whole package, fixed by the number of labels alone: tag 0 is O,
label i owns the four tags B, I, L, U at `1 + 4 * i` and up. BIOES and BMES are the
same automaton under other letters; those names live in `corpus.schemes`.
"""

from typing import List, NamedTuple, Sequence

import numpy
from numpy.typing import NDArray

OUTSIDE = 0
UNKNOWN = -1
# Instead of the index of a label: whatever it is.
ANY_LABEL = -1
BEGIN, INSIDE, LAST, UNIT = range(4)
PREFIXES = "BILU"


class LegalTags(NamedTuple):
    """Which paths of tags mean something.

    start (bool array, shape (K,)): tags that may begin a sequence.
    transitions (bool array, shape (K, K)): whether tag j (column) may follow tag i (row).
    end (bool array, shape (K,)): tags that may end a sequence.
    """

    start: NDArray[numpy.bool_]
    transitions: NDArray[numpy.bool_]
    end: NDArray[numpy.bool_]


class FlatSpans(NamedTuple):
    """Entities found in a sequence of tags, as three parallel arrays.

    starts (int array): index of the first token.
    ends (int array): index after the last token.
    labels (int array): index of the label.
    """

    starts: NDArray[numpy.int64]
    ends: NDArray[numpy.int64]
    labels: NDArray[numpy.int64]


def count_tags(num_labels: int) -> int:
    """RETURNS (int): K, the number of tags for a number of labels."""
    return 1 + 4 * num_labels


def count_labels(num_tags: int) -> int:
    """RETURNS (int): The number of labels for K tags.

    Raises ValueError if no number of labels gives K tags.
    """
    num_labels, rest = divmod(num_tags - 1, 4)
    if num_tags < 1 or rest:
        raise ValueError(
            f"{num_tags} is not a number of BILUO tags: expected 1 + 4 * labels"
        )
    return num_labels


def tag_names(labels: Sequence[str]) -> List[str]:
    """RETURNS (List[str]): The name of every tag id: O, B-X, I-X, L-X, U-X, B-Y ..."""
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in PREFIXES)]


def source_tags(old: Sequence[str], new: Sequence[str]) -> NDArray[numpy.int64]:
    """Find the tags of some labels among those of other labels.

    old (Sequence[str]): Labels.
    new (Sequence[str]): Labels.
    RETURNS (int array, shape (K,)): For each tag of the new labels its id among those of
        the old ones, UNKNOWN if it is none of them.
    """
    ids = {name: i for i, name in enumerate(tag_names(old))}
    return numpy.array([ids.get(name, UNKNOWN) for name in tag_names(new)])


def legal_tags(num_labels: int) -> LegalTags:
    """State the BILUO automaton.

    num_labels (int): The number of labels.
    RETURNS (LegalTags): Legal starts, transitions and ends over K tags.
    """
    prefix = numpy.arange(4 * num_labels) % 4
    label = numpy.arange(4 * num_labels) // 4
    # A tag either leaves an entity of its label open behind it (B, I) or does not, and
    # either continues an open one (I, L) or does not: legal is where the two agree.
    opens = numpy.concatenate(([-1], numpy.where(prefix <= INSIDE, label, -1)))
    continues_entity = (prefix == INSIDE) | (prefix == LAST)
    continues = numpy.concatenate(([-1], numpy.where(continues_entity, label, -1)))
    return LegalTags(
        start=continues == -1,
        transitions=opens[:, None] == continues[None, :],
        end=opens == -1,
    )


def find_spans(tags: NDArray[numpy.int64]) -> FlatSpans:
    """Read the entities off a legal sequence of tag ids. Sequences that are each legal
    may be concatenated: none leaves an entity open at its end.

    tags (int array, shape (N,)): Tag ids.
    RETURNS (FlatSpans): The entities, in order.
    """
    positions = numpy.flatnonzero(tags != OUTSIDE)
    prefix, label = (tags[positions] - 1) % 4, (tags[positions] - 1) // 4
    first = (prefix == BEGIN) | (prefix == UNIT)
    last = (prefix == LAST) | (prefix == UNIT)
    return FlatSpans(positions[first], positions[last] + 1, label[first])


def span_confidence(
    spans: FlatSpans,
    first: NDArray[numpy.float32],
    following: NDArray[numpy.float32],
) -> NDArray[numpy.float32]:
    """Multiply up how sure a model is of the tags of each entity.

    spans (FlatSpans): The entities.
    first (float array, shape (N,)): Probability of each token's tag.
    following (float array, shape (N,)): The same, given the tag before.
    RETURNS (float array): Probability of each entity.
    """
    # The probability of a range of tags is that of the first one, times those of the
    # others. The 1 is for an entity that ends with the last token.
    factors = numpy.append(following, numpy.float32(1.0))
    factors[spans.starts] = first[spans.starts]
    bounds = numpy.stack((spans.starts, spans.ends), axis=1).ravel()
    confidence: NDArray[numpy.float32] = numpy.multiply.reduceat(factors, bounds)[::2]
    return confidence
