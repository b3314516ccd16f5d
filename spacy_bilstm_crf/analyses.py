"""The best analyses of a Doc, as its best paths of tags state them."""

import math
from typing import Any, List, NamedTuple, Sequence, Tuple

import numpy
from numpy.typing import NDArray

from .tags import find_spans

Entity = Tuple[int, int, str]


class Analysis(NamedTuple):
    """One way to read a Doc.

    ents (List[Entity]): Index of the first token, index after the last token, and label
        of each entity, in order.
    log_probability (float): Natural logarithm of the probability that exactly these are
        the Doc's entities. It tells analyses of long Docs apart, whose probabilities are
        too small for a float.
    """

    ents: List[Entity]
    log_probability: float

    @property
    def probability(self) -> float:
        """RETURNS (float): That exactly these are the Doc's entities."""
        return math.exp(self.log_probability)


def require_count(top_k: Any) -> int:
    """RETURNS (int): The number of analyses wanted. Raises ValueError if it is none."""
    # True is a 1 to Python.
    is_count = isinstance(top_k, (int, numpy.integer)) and not isinstance(top_k, bool)
    if not is_count or top_k < 1:
        raise ValueError(f"top_k is {top_k!r}, expected a whole number of at least 1")
    return int(top_k)


def read_analyses(answer: NDArray[numpy.float32], labels: Sequence[str]) -> List[Analysis]:
    """Read what a model answers to a query for the best paths. Different paths of BILUO
    tags are different entities, so no two analyses are the same.

    answer (float array, shape (tokens, 2k)): Ids of the tags on each of the k best paths;
        then the log probability of each path, the same in every row.
    labels (Sequence[str]): The component's labels, in the order of their tags.
    RETURNS (List[Analysis]): The analyses, best first; fewer than k if there are no more.
    """
    if not len(answer):
        return [Analysis([], 0.0)]
    paths, log_p = numpy.split(answer, 2, axis=1)
    analyses = []
    for path, value in zip(paths.T.astype("int64"), log_p[0].tolist(), strict=True):
        if value == -math.inf:
            break
        spans = find_spans(path)
        names = [labels[label] for label in spans.labels.tolist()]
        ents = zip(spans.starts.tolist(), spans.ends.tolist(), names, strict=True)
        analyses.append(Analysis(list(ents), value))
    return analyses
