"""What the component asks its model."""

from typing import Any, List, NamedTuple, Optional

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model

from .tags import count_labels

Allowed = List[NDArray[numpy.bool_]]
TokenSpans = List[NDArray[numpy.int64]]

# Attribute of layers that want to see the entities of all the training data before they are
# initialized: a function of the layer and the Docs that have them.
GATHER_ENTITIES = "gather_entities"

# Attribute of layers that want to see all the training data before they are initialized:
# a function of the layer and the Docs. spaCy and thinc show a layer a mere sample.
GATHER_VOCABULARY = "gather_vocabulary"

# Attribute of layers that look whether what was loaded into them fits together: a function
# of the layer, which raises ValueError if it does not.
CHECK_LOADED = "check_loaded"

# How many Docs spaCy shows a layer to initialize it.
SAMPLE_SIZE = 10


def list_docs(docs: Any) -> List[Doc]:
    """RETURNS (List[Doc]): The Docs that a caller passed. Raises ValueError if they are
    something else."""
    if isinstance(docs, Doc):
        raise ValueError("expected a list of Docs, got one Doc: make it a list, [doc]")
    listed = list(docs)
    for doc in listed:
        if not isinstance(doc, Doc):
            raise ValueError(
                f"expected a list of Docs, got {doc!r} in it: make Docs of texts with "
                "nlp.make_doc"
            )
    return listed


class Query(NamedTuple):
    """Docs, and what is known or wanted of them. The model takes shorter tuples and
    Docs alone as well.

    docs (List[Doc]): The Docs.
    allowed (Optional[Allowed]): The tags allowed at their tokens, a bool array of shape
        (tokens, K) per Doc. Default: all.
    temperature (Optional[float]): In prediction, tell how sure the tags are, with all
        scores divided by this.
    teacher (Optional[Model]): In training, take how far the distribution over tags has
        moved away from that of this model as the loss.
    bonus (Optional[List[NDArray]]): In prediction, add this to the scores of the tags, a
        float32 array of shape (tokens, K) per Doc.
    incorrect (Optional[TokenSpans]): In training, spans that are no entities, an int64
        array of shape (spans, 3) per Doc, see `incorrect_spans`.
    want (str): In prediction with a temperature: "path", the best tags and how sure they
        are; "spans", the same and what the probability of any other span is made of;
        "paths", several best paths; "tags", the probability of each tag.
    top_k (int): The number of best paths.
    """

    docs: List[Doc]
    allowed: Optional[Allowed] = None
    temperature: Optional[float] = None
    teacher: Optional[Model[Any, Any]] = None
    bonus: Optional[List[NDArray[numpy.float32]]] = None
    incorrect: Optional[TokenSpans] = None
    want: str = "path"
    top_k: int = 1

    def make_answer(self, num_tokens: int, num_tags: int) -> NDArray[Any]:
        """RETURNS (NDArray): Room for what is told of so many tokens: an int64 array of
        shape (tokens,), or, with a temperature, a float32 array of several columns."""
        if self.temperature is None:
            return numpy.zeros(num_tokens, dtype="int64")
        widths = {
            "path": 3,
            "spans": 3 + 6 * count_labels(num_tags),
            "paths": 2 * self.top_k,
            "tags": num_tags,
        }
        return numpy.zeros((num_tokens, widths[self.want]), dtype="float32")
