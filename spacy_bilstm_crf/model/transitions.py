"""torch: what a CRF has learned of the order of tags."""

from dataclasses import dataclass
from typing import Any, List, Optional

import numpy
from numpy.typing import NDArray
from thinc.api import Model

from .crf import LinearChainCRF
from .shim import BiLSTMCRFShim

Floats = NDArray[numpy.float32]


@dataclass(frozen=True)
class Transitions:
    """The scores of a CRF, -inf for what is illegal.

    tags (List[str]): The names of the K tags.
    start (float array, shape (K,)): Of tags at the start.
    transitions (float array, shape (K, K)): Of the second tag after the first one.
    end (float array, shape (K,)): Of tags at the end.
    """

    tags: List[str]
    start: Floats
    transitions: Floats
    end: Floats


def read_transitions(model: Model[Any, Any], tags: List[str]) -> Optional[Transitions]:
    """Read the scores of a model.

    model (Model): The model of a component, built.
    tags (List[str]): The names of its tags.
    RETURNS (Optional[Transitions]): The scores. None if it has no CRF.
    """
    for shim in model.shims:
        if isinstance(shim, BiLSTMCRFShim):
            decoder = shim.network.decoder
            if isinstance(decoder, LinearChainCRF):
                scores = (part.detach().cpu().numpy() for part in decoder.legal_scores())
                return Transitions(tags, *scores)
    return None
