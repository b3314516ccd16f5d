"""Losses that are no numbers, and what they come from."""

import math
from typing import Any, Sequence

from spacy.training import Example

SHOWN = 20


class LossError(ValueError):
    """Raised for a loss or weights that are infinite or no numbers. The weights that led to
    it, or the next step, are of no use.
    """


def require_finite(
    name: str, loss: float, examples: Sequence[Example], scores: Any
) -> None:
    """Stop before a loss spoils the weights.

    name (str): Name of the component.
    loss (float): The loss of a batch.
    examples (Sequence[Example]): The batch.
    scores (Floats1d): The loss of each example.
    RAISES (LossError): If the loss is infinite or no number.
    """
    if math.isfinite(loss):
        return
    # The worst one: finite losses may have an infinite sum.
    sizes = [abs(s) if math.isfinite(s) else math.inf for s in scores.tolist()]
    worst = sizes.index(max(sizes))
    doc = examples[worst].predicted
    raise LossError(
        f"the loss of '{name}' is {loss} on a batch of {len(examples)} texts, and "
        f"{float(scores[worst]):g} on {doc.text[:SHOWN]!r} ({len(doc)} tokens): lower "
        "learn_rate or grad_clip in [training.optimizer], or look for vectors that are no "
        "numbers"
    )
