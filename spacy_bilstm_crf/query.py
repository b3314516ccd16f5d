"""What the component asks its model."""

from typing import List, NamedTuple, Optional

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

Allowed = List[NDArray[numpy.bool_]]


class Query(NamedTuple):
    """Docs, and what is known or wanted of them. The model takes shorter tuples and
    Docs alone as well.

    docs (List[Doc]): The Docs.
    allowed (Optional[Allowed]): The tags allowed at their tokens, a bool array of shape
        (tokens, K) per Doc. Default: all.
    temperature (Optional[float]): In prediction, tell how sure the tags are, with all
        scores divided by this.
    """

    docs: List[Doc]
    allowed: Optional[Allowed] = None
    temperature: Optional[float] = None
