"""Whether the component itself works: a tiny pipeline that is made for the purpose."""

from typing import Any, Iterator

import numpy
import spacy
from spacy.language import Language
from spacy.training import Example

from .finding import Finding

TEXT = "Anna Petrova in Berlin, 北京"
ENTITIES = [(0, 12, "PER"), (16, 22, "LOC")]


def check_component() -> Iterator[Finding]:
    """YIELDS (Finding): Whether a tiny pipeline learns, predicts, and is the same when it
    comes back from bytes."""
    nlp, other = _make_nlp(), _make_nlp()
    examples = [Example.from_dict(nlp.make_doc(TEXT), {"entities": ENTITIES})]
    nlp.update(examples, sgd=nlp.initialize(lambda: examples))
    other.from_bytes(nlp.to_bytes())
    if numpy.array_equal(_find_scores(nlp), _find_scores(other)):
        yield Finding("good", "a tiny pipeline learns, predicts, and can be saved")
    else:
        text = "a tiny pipeline predicts otherwise when it comes back from bytes"
        yield Finding("fail", text, "tell us, with what --json prints")


def _make_nlp() -> Language:
    nlp = spacy.blank("xx")
    nlp.add_pipe("bilstm_crf", config={"model": {"hidden_width": 8}})
    return nlp


def _find_scores(nlp: Language) -> numpy.ndarray:
    component: Any = nlp.get_pipe("bilstm_crf")
    [scores] = component.tag_marginals([nlp.make_doc(TEXT)])
    return numpy.asarray(scores)
