"""The entities of texts, and how sure the pipeline is of each."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc, Span

from .component import BiLSTMCRF
from .doc_spans import ScoredSpans, drop_unsure, read_spans

# Offset of the first character, offset after the last one, and label.
Entity = Tuple[int, int, str]


class Alternative(NamedTuple):
    """One way to read a text.

    probability (float): That exactly these are the entities.
    ents (List[Entity]): The entities.
    """

    probability: float
    ents: List[Entity]


class Reading(NamedTuple):
    """What a pipeline says of a text.

    doc (Doc): The Doc, as the pipeline leaves it.
    ents (List[Entity]): Its entities, in order.
    confidence (Dict[Entity, float]): How sure a BiLSTM-CRF is of those that are its own.
    alternatives (Dict[str, List[Alternative]]): The best analyses by each BiLSTM-CRF, by
        its name, best first; none unless they are asked for.
    likely (Optional[Dict[Entity, float]]): All spans of at least the probability that is
        asked for, of its entities and others. None unless they are asked for, or if no
        component knows.
    """

    doc: Doc
    ents: List[Entity]
    confidence: Dict[Entity, float]
    alternatives: Dict[str, List[Alternative]]
    likely: Optional[Dict[Entity, float]] = None


def read_docs(
    nlp: Language,
    docs: Sequence[Doc],
    *,
    top_k: Optional[int] = None,
    minimum: Optional[float] = None,
) -> List[Reading]:
    """Find the entities of Docs, as `nlp.pipe` does, and ask how sure the pipeline is of
    them. Its settings stay as they are. Each component is asked when its turn comes: later
    ones may take away what it needs, such as the vectors of a transformer, and its own
    entities would be given, and certain.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): Docs fresh from the tokenizer.
    top_k (Optional[int]): The number of alternatives. Default: none.
    minimum (Optional[float]): The least probability of `likely` spans. Default: none.
    RETURNS (List[Reading]): The entities of each Doc.
    RAISES (ValueError): If a component cannot take the Docs.
    """
    readings = [Reading(doc, [], {}, {}) for doc in docs]
    for name in nlp.pipe_names:
        component: Any = nlp.get_pipe(name)
        docs = [reading.doc for reading in readings]
        asked: List[Dict[Entity, float]] = [{} for _ in docs]
        if isinstance(component, BiLSTMCRF):
            if top_k is not None:
                found = _ask_alternatives(component, docs, top_k)
                for reading, some in zip(readings, found, strict=True):
                    reading.alternatives[name] = some
            asked, likely = _annotate(component, docs, minimum)
            readings = [
                reading._replace(likely=_join(reading.likely, spans))
                for reading, spans in zip(readings, likely, strict=True)
            ]
        else:
            # Not the component itself: spaCy knows what its errors mean.
            others = [other for other in nlp.pipe_names if other != name]
            docs = list(nlp.pipe(docs, disable=others))
        readings = [
            _go_on(reading, doc, own)
            for reading, doc, own in zip(readings, docs, asked, strict=True)
        ]
    return readings


def read_text(nlp: Language, text: str, top_k: Optional[int] = None) -> Reading:
    """Find the entities of one text, see `read_docs`.

    nlp (Language): The pipeline.
    text (str): The text.
    top_k (Optional[int]): The number of alternatives. Default: none.
    RETURNS (Reading): The entities.
    """
    [reading] = read_docs(nlp, [nlp.make_doc(text)], top_k=top_k)
    return reading


def list_ents(doc: Doc) -> List[Entity]:
    """RETURNS (List[Entity]): The entities of a Doc. Characters stay where they are,
    tokens may be joined or split by later components."""
    return _locate(doc.ents)


def _go_on(reading: Reading, doc: Doc, asked: Dict[Entity, float]) -> Reading:
    """RETURNS (Reading): What is known after a component has seen the Doc."""
    ents = list_ents(doc)
    own = {ent: asked[ent] for ent in ents if ent in asked}
    confidence = {**reading.confidence, **own}
    return reading._replace(doc=doc, ents=ents, confidence=confidence)


def _annotate(
    component: BiLSTMCRF, docs: List[Doc], minimum: Optional[float]
) -> Tuple[List[Dict[Entity, float]], List[Optional[Dict[Entity, float]]]]:
    """Do what the component does, in whose answer there is its confidence too.

    component (BiLSTMCRF): The component.
    docs (List[Doc]): The Docs, which get its entities.
    minimum (Optional[float]): See `read_docs`.
    RETURNS (Tuple[List[Dict], List[Optional[Dict]]]): How sure it is of each of its own
        entities, and the likely spans, of each Doc.
    """
    # Says so if it was never initialized.
    component.predict([])
    query = component.make_query(docs)._replace(temperature=component.cfg["temperature"])
    if minimum is not None or component.min_probability is not None:
        query = query._replace(want="spans")
    answers: Any = component.model.predict(query)
    found, shown = read_spans(docs, answers, component.labels, minimum)
    asked = []
    for doc, scored in zip(docs, found, strict=True):
        given = [] if component.overwrite else list_ents(doc)
        pairs = _score(scored).items()
        asked.append({ent: score for ent, score in pairs if ent not in given})
    if component.threshold > 0.0 and answers:
        answers = drop_unsure(answers, component.threshold, query.allowed)
    component.set_annotations(docs, answers)
    if minimum is None:
        return asked, [None] * len(docs)
    return asked, [_score(scored) for scored in shown]


def _ask_alternatives(
    component: BiLSTMCRF, docs: List[Doc], top_k: int
) -> List[List[Alternative]]:
    return [
        [
            Alternative(
                analysis.probability,
                _locate(Span(doc, *span) for span in analysis.ents),
            )
            for analysis in analyses
        ]
        for doc, analyses in zip(docs, component.alternatives(docs, top_k), strict=True)
    ]


def _join(
    first: Optional[Dict[Entity, float]], second: Optional[Dict[Entity, float]]
) -> Optional[Dict[Entity, float]]:
    return first if second is None else {**(first or {}), **second}


def _score(scored: ScoredSpans) -> Dict[Entity, float]:
    return dict(zip(_locate(scored[0]), scored[1], strict=True))


def _locate(spans: Iterable[Span]) -> List[Entity]:
    return [(span.start_char, span.end_char, span.label_) for span in spans]
