"""Predicted entities: how sure a component is of each, and whether it is right."""

from itertools import islice
from typing import Any, Iterable, List, NamedTuple, Sequence

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.training import Example
from tqdm import tqdm

from ..component import BiLSTMCRF
from ..query import Query
from ..tags import OUTSIDE, UNKNOWN, FlatSpans, find_spans, span_confidence
from ..targets import gold_tags

# Docs that run through a pipeline together.
BATCH_SIZE = 1000


class GoldBatch(NamedTuple):
    """Docs, and what is known of their tokens, laid end to end.

    query (Query): What the component asks its model of them.
    gold (int array, shape (tokens,)): The gold tags, UNKNOWN where nobody knows.
    free (bool array, shape (tokens,)): Where the model may choose among all tags.
    """

    query: Query
    gold: NDArray[numpy.int64]
    free: NDArray[numpy.bool_]


class Judged(NamedTuple):
    """Predicted entities that are the model's own and of which the gold says whether they
    are right; and how many others there are.

    confidence (float array, shape (entities,)): Their confidence.
    correct (bool array, shape (entities,)): Whether the gold has them, label and all.
    given (int): Entities that were set by earlier components, or are hard words of the
        dictionary: these are certain by definition.
    unknown (int): Other entities, with tokens whose gold annotation is missing or does not
        fit them.
    """

    confidence: NDArray[numpy.float64]
    correct: NDArray[numpy.bool_]
    given: int = 0
    unknown: int = 0


def prepare(
    nlp: Language, name: str, examples: Iterable[Example], *, progress: bool = False
) -> List[GoldBatch]:
    """Run the components that come before one, and read the gold.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    examples (Iterable[Example]): Examples with gold entities, their predicted Docs fresh
        from the tokenizer.
    progress (bool): Show a progress bar on stderr, if that is a terminal.
    RETURNS (List[GoldBatch]): The Docs, ready for the component.
    RAISES (ValueError): If there are no Docs, no gold annotation or no gold entities.
    """
    component: Any = nlp.get_pipe(name)
    # Says so if it was never initialized.
    component.predict([])
    names = nlp.pipe_names
    batches = []
    # None: hidden unless on a terminal.
    hide = None if progress else True
    shown = iter(tqdm(examples, "Docs", leave=False, disable=hide))
    with nlp.select_pipes(enable=names[: names.index(name)]):
        while part := list(islice(shown, BATCH_SIZE)):
            docs = nlp.pipe([eg.predicted for eg in part])
            pairs = zip(docs, part, strict=True)
            ready = [Example(doc, eg.reference) for doc, eg in pairs]
            batches.append(_read_gold(ready, component))
    if not batches:
        raise ValueError("nothing to calibrate on: the data have no Docs with tokens")
    if all((batch.gold == UNKNOWN).all() for batch in batches):
        raise ValueError(
            "nothing to calibrate on: the data have no gold annotation of entities"
        )
    if not any((batch.gold > OUTSIDE).any() for batch in batches):
        raise ValueError(
            "nothing to calibrate on: the data have no gold entities, or none that fits "
            "the tokens of the pipeline"
        )
    return batches


def judge_entities(
    component: BiLSTMCRF, batches: Sequence[GoldBatch], temperature: float
) -> Judged:
    """Predict entities and look them up in the gold.

    component (BiLSTMCRF): The component.
    batches (Sequence[GoldBatch]): Docs from `prepare`.
    temperature (float): All scores of the component are divided by it.
    RETURNS (Judged): The entities of all Docs.
    """
    parts = []
    for query, gold, free in batches:
        query = query._replace(temperature=temperature)
        answer = numpy.concatenate(component.model.predict(query))
        tags = answer[:, 0].astype("int64")
        spans = find_spans(tags)
        confidence = span_confidence(spans, answer[:, 1], answer[:, 2])
        # The gold has an entity if it has each of its tags: they say where it ends.
        conditions = (free, gold != UNKNOWN, gold == tags)
        parts.append((confidence, *(_all_tokens(flags, spans) for flags in conditions)))
    confidence, own, known, correct = map(numpy.concatenate, zip(*parts, strict=True))
    keep = own & known
    unknown = int((own & ~known).sum())
    return Judged(
        confidence[keep].astype("float64"), correct[keep], int((~own).sum()), unknown
    )


def _read_gold(examples: List[Example], component: BiLSTMCRF) -> GoldBatch:
    query = component.make_query([eg.predicted for eg in examples])
    found = {ent.label_ for eg in examples for ent in eg.reference.ents}
    # Entities of labels that the component does not know are nothing that it found.
    labels = [*component.labels, *sorted(found.difference(component.labels))]
    gold = numpy.concatenate(gold_tags(examples, labels))
    # Presets and hard words leave fewer tags at each of their tokens.
    free: Any = numpy.ones(len(gold), dtype="bool")
    if query.allowed is not None:
        free = numpy.concatenate(query.allowed).all(axis=1)
    return GoldBatch(query, gold, free)


def _all_tokens(flags: NDArray[numpy.bool_], spans: FlatSpans) -> NDArray[numpy.bool_]:
    """RETURNS (bool array, shape (spans,)): Whether all tokens of each span have a flag."""
    bounds = numpy.stack((spans.starts, spans.ends), axis=1).ravel()
    # One more is for a span that ends with the last token.
    everywhere: NDArray[numpy.bool_]
    everywhere = numpy.logical_and.reduceat(numpy.append(flags, True), bounds)[::2]
    return everywhere
