"""The entities of one text, and how sure the pipeline is of each."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from .component import BiLSTMCRF
from .doc_spans import read_spans

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
    """

    doc: Doc
    ents: List[Entity]
    confidence: Dict[Entity, float]
    alternatives: Dict[str, List[Alternative]]


def read_text(nlp: Language, text: str, top_k: Optional[int] = None) -> Reading:
    """Find the entities of a text, as `nlp(text)` does, and ask how sure they are. The
    settings of the pipeline stay as they are. Each component is asked when its turn comes:
    later ones may take away what it needs, such as the vectors of a transformer, and its
    own entities would be given, and certain.

    nlp (Language): The pipeline.
    text (str): The text.
    top_k (Optional[int]): The number of alternatives. Default: none.
    RETURNS (Reading): The entities.
    """
    doc = nlp.make_doc(text)
    names = nlp.pipe_names
    confidence: Dict[Entity, float] = {}
    alternatives: Dict[str, List[Alternative]] = {}
    for name in names:
        component: Any = nlp.get_pipe(name)
        asked: Dict[Entity, float] = {}
        if isinstance(component, BiLSTMCRF):
            asked = _ask_confidence(component, doc)
            if top_k is not None:
                alternatives[name] = _ask_alternatives(component, doc, top_k)
        # Not the component itself: spaCy knows what its errors mean.
        doc = nlp(doc, disable=[other for other in names if other != name])
        confidence.update({ent: asked[ent] for ent in list_ents(doc) if ent in asked})
    return Reading(doc, list_ents(doc), confidence, alternatives)


def list_ents(doc: Doc) -> List[Entity]:
    """RETURNS (List[Entity]): The entities of a Doc. Characters stay where they are,
    tokens may be joined or split by later components."""
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def _ask_confidence(component: BiLSTMCRF, doc: Doc) -> Dict[Entity, float]:
    # Says so if it was never initialized.
    component.predict([])
    query = component.make_query([doc])._replace(temperature=component.cfg["temperature"])
    answers: Any = component.model.predict(query)
    [(spans, scores)], _ = read_spans([doc], answers, component.labels, None)
    given = [] if component.overwrite else list_ents(doc)
    ents = [(span.start_char, span.end_char, span.label_) for span in spans]
    pairs = zip(ents, scores, strict=True)
    return {ent: score for ent, score in pairs if ent not in given}


def _ask_alternatives(component: BiLSTMCRF, doc: Doc, top_k: int) -> List[Alternative]:
    [analyses] = component.alternatives([doc], top_k)
    found = []
    for analysis in analyses:
        spans = [(doc[start:end], label) for start, end, label in analysis.ents]
        ents = [(span.start_char, span.end_char, label) for span, label in spans]
        found.append(Alternative(analysis.probability, ents))
    return found
