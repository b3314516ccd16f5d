"""Is an entity with a confidence of 0.9 right nine times out of ten?"""

import math
from dataclasses import dataclass
from typing import Any, Iterable, List, NamedTuple, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..query import Query
from ..tags import FlatSpans, find_spans, span_confidence

# Temperatures that are tried, as logarithms: from a quarter to four.
SEARCH = (-math.log(4.0), math.log(4.0))
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
STEPS = 20
# A confidence of 0 or 1 that is wrong would cost infinitely much.
EPSILON = 1e-6


@dataclass(frozen=True)
class Bin:
    """Entities whose confidence lies in one range.

    low, high (float): The range, up to but without `high`; 1 belongs to the last one.
    count (int): Number of entities.
    confidence (float): Their mean confidence, 0 if there are none.
    precision (float): Share of them that are right.
    """

    low: float
    high: float
    count: int
    confidence: float
    precision: float


class Reliability(NamedTuple):
    """A reliability diagram in figures (Guo et al. 2017).

    bins (List[Bin]): Ranges of equal width.
    error (float): Expected calibration error: how far mean confidence and precision of
        a bin lie apart, on average over the entities.
    log_loss (float): Mean of -log of the probability given to what is true.
    """

    bins: List[Bin]
    error: float
    log_loss: float


class Judged(NamedTuple):
    """Predicted entities.

    confidence (float array, shape (entities,)): Their confidence.
    correct (bool array, shape (entities,)): Whether the gold has them, label and all.
    """

    confidence: NDArray[numpy.float64]
    correct: NDArray[numpy.bool_]


def measure_reliability(judged: Judged, num_bins: int = 10) -> Reliability:
    """Compare confidence with precision.

    judged (Judged): Predicted entities.
    num_bins (int): Number of ranges.
    RETURNS (Reliability): The figures.
    """
    confidence, correct = judged
    places = numpy.minimum((confidence * num_bins).astype(int), num_bins - 1)
    bins = []
    for i in range(num_bins):
        here = places == i
        count = int(here.sum())
        means = (confidence[here].mean(), correct[here].mean()) if count else (0.0, 0.0)
        bins.append(Bin(i / num_bins, (i + 1) / num_bins, count, *map(float, means)))
    gaps = sum(bin_.count * abs(bin_.confidence - bin_.precision) for bin_ in bins)
    given = numpy.where(correct, confidence, 1.0 - confidence)
    log_loss = -numpy.log(numpy.clip(given, EPSILON, 1.0)).mean() if len(given) else 0.0
    return Reliability(bins, gaps / max(1, len(confidence)), float(log_loss))


def judge_entities(
    nlp: Language, name: str, examples: Sequence[Example], temperature: float
) -> Judged:
    """Predict entities and look them up in the gold.

    nlp (Language): The pipeline.
    name (str): Name of the component in it.
    examples (Sequence[Example]): Examples from `prepare`.
    temperature (float): All scores of the component are divided by it.
    RETURNS (Judged): The entities of all Docs.
    """
    component: Any = nlp.get_pipe(name)
    query = Query([eg.predicted for eg in examples], temperature=temperature)
    confidence: List[float] = []
    correct: List[bool] = []
    for eg, scores in zip(examples, component.model.predict(query), strict=True):
        spans = find_spans(scores[:, 0].astype("int64"))
        confidence += span_confidence(spans, scores[:, 1], scores[:, 2]).tolist()
        gold = {(ent.start_char, ent.end_char, ent.label_) for ent in eg.reference.ents}
        correct += [key in gold for key in _keys(eg.predicted, spans, component.labels)]
    return Judged(numpy.array(confidence), numpy.array(correct, dtype="bool"))


def prepare(nlp: Language, name: str, examples: Iterable[Example]) -> List[Example]:
    """Run the components that come before one.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    examples (Iterable[Example]): Examples with gold entities.
    RETURNS (List[Example]): Examples whose predicted Docs are ready for it.
    """
    examples = list(examples)
    names = nlp.pipe_names
    with nlp.select_pipes(enable=names[: names.index(name)]):
        docs = nlp.pipe([eg.reference.text for eg in examples])
        return [Example(doc, eg.reference) for doc, eg in zip(docs, examples, strict=True)]


def fit_temperature(
    nlp: Language, name: str, examples: Sequence[Example]
) -> Tuple[float, Reliability, Reliability]:
    """Find the temperature with which confidence says most about the gold: that of the
    smallest log loss. The entities stay the same with any temperature.

    nlp (Language): The pipeline.
    name (str): Name of the component in it.
    examples (Sequence[Example]): Development data, from `prepare`.
    RETURNS (Tuple[float, Reliability, Reliability]): The temperature, and the figures
        with a temperature of 1 and with this one.
    """

    def measure(logarithm: float) -> Reliability:
        return measure_reliability(judge_entities(nlp, name, examples, math.exp(logarithm)))

    # Golden section search: the loss has one minimum.
    low, high = SEARCH
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = measure(left), measure(right)
    for _ in range(STEPS):
        if at_left.log_loss <= at_right.log_loss:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = measure(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = measure(right)
    best = (low + high) / 2.0
    return math.exp(best), measure(0.0), measure(best)


def _keys(
    doc: Doc, spans: FlatSpans, labels: Sequence[str]
) -> Iterable[Tuple[int, int, str]]:
    for start, end, label in zip(*(column.tolist() for column in spans), strict=True):
        span = doc[start:end]
        yield span.start_char, span.end_char, labels[label]
