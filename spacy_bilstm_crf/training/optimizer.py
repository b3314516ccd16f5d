"""Adam with a learning rate for each part of the pipeline."""

import math
from typing import Any, Dict

from spacy.util import SimpleFrozenDict
from thinc.api import Optimizer
from thinc.optimizers import ADAM_DEFAULTS, FloatOrSeq, KeyT
from thinc.types import FloatsXd

# How weights are named that have a rate of their own. The transitions by their whole
# names: transformers may have a "decoder." as well.
NAMES = {
    "crf": (
        "decoder.start_transitions",
        "decoder.transitions",
        "decoder.end_transitions",
    ),
    "classifier": ("scorer.",),
    "lstm": ("bilstm.",),
}
GROUPS = (*NAMES, "transformer", "other")


class Adam(Optimizer):
    """thinc's Adam, with a multiple of the learning rate for each group of weights, and
    without decay of those that it does no good: transitions, biases and normalization.

    Adam moves every weight by about the learning rate, however large its gradient is. At
    the rate of a transformer (2e-5) the transitions would stay where they have started.

    learn_rate (FloatOrSeq): The learning rate, or its schedule.
    multiples (Dict[str, float]): By how much it is multiplied, by group: see `get_group`.
        Default: 1. A group of 0 stays as it is.
    L2, beta1, beta2, eps, grad_clip, L2_is_weight_decay, use_averages: As for thinc's
        Adam. A gradient is clipped by itself, whatever its group.
    RAISES (ValueError): If a multiple makes no sense.
    """

    __slots__ = ["multiples"]

    multiples: Dict[str, float]

    def __init__(
        self,
        learn_rate: FloatOrSeq = ADAM_DEFAULTS["learn_rate"],
        *,
        multiples: Dict[str, float] = SimpleFrozenDict(),
        L2: FloatOrSeq = ADAM_DEFAULTS["L2"],
        beta1: FloatOrSeq = ADAM_DEFAULTS["beta1"],
        beta2: FloatOrSeq = ADAM_DEFAULTS["beta2"],
        eps: FloatOrSeq = ADAM_DEFAULTS["eps"],
        grad_clip: FloatOrSeq = ADAM_DEFAULTS["grad_clip"],
        L2_is_weight_decay: bool = True,
        use_averages: bool = True,
    ) -> None:
        for group, multiple in multiples.items():
            if group not in GROUPS or not 0.0 <= multiple < math.inf:
                raise ValueError(
                    f"multiples has {group} = {multiple}: it takes numbers of at least 0 "
                    f"for {', '.join(GROUPS)}"
                )
        super().__init__(
            learn_rate,
            L2=L2,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            grad_clip=grad_clip,
            L2_is_weight_decay=L2_is_weight_decay,
            use_averages=use_averages,
        )
        self.multiples = dict(multiples)

    def __call__(
        self, key: KeyT, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> Any:
        group = get_group(key[1])
        multiple = self.multiples.get(group, 1.0)
        if multiple == 0.0:
            # Nor does it need memory for what moves others.
            gradient.fill(0.0)
            return weights, gradient
        decay = self.L2
        if group == "crf" or is_bias(key[1], weights):
            self.L2 = 0.0
        try:
            return super().__call__(key, weights, gradient, lr_scale=lr_scale * multiple)
        finally:
            self.L2 = decay


def get_group(name: str) -> str:
    """Find the part of a pipeline that weights belong to.

    name (str): Their name in their layer or torch module.
    RETURNS (str): "crf", "classifier" or "lstm" for those of `BiLSTMCRF`; "transformer"
        for those within other torch modules, whose names have dots; "other" for those of
        thinc's layers, such as embeddings.
    """
    for group, names in NAMES.items():
        if name.startswith(names):
            return group
    return "transformer" if "." in name else "other"


def is_bias(name: str, weights: FloatsXd) -> bool:
    """RETURNS (bool): Whether weights are added, or scale what was normalized. A bias of
    thinc's Maxout is called "b", and has two dimensions."""
    return weights.ndim < 2 or name == "b"
