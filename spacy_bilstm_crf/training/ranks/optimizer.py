"""An optimizer that takes its steps from the gradients of all ranks."""

from typing import Any, Dict, List, Optional, Tuple

import torch
from thinc.api import Optimizer
from thinc.types import FloatsXd
from thinc.util import get_torch_default_device, torch2xp, xp2torch

from ..weights import Weight
from .group import Ranks
from .pace import Pace

KeyT = Tuple[int, str]


class SumOptimizer:
    """Stands before an optimizer. It is called with the gradients of this rank, keeps them,
    and at the end of a step makes the optimizer take the sums over all ranks. Losses are
    sums over texts: so are gradients, and the step is that of one process on all the
    batches. Gradients are clipped after they are summed.

    ranks (Ranks): The ranks.
    optimizer (Optimizer): Any optimizer of thinc's kind.
    pace (Pace): Told of the end of each step.
    """

    def __init__(self, ranks: Ranks, optimizer: Optimizer, pace: Pace) -> None:
        self._ranks = ranks
        self._optimizer = optimizer
        self._pace = pace
        # Of the weights, in an order that is the same on each rank. Gradients are views of
        # one array, at the end of which it says which of them are there.
        self._gradients: Dict[KeyT, Any] = {}
        self._flat = torch.zeros(0)
        # Weights of this step.
        self._called: Dict[KeyT, Any] = {}

    @property
    def averages(self) -> Optional[Dict[KeyT, FloatsXd]]:
        """RETURNS (Optional[Dict]): The averages of the weights."""
        averages: Optional[Dict[KeyT, FloatsXd]] = self._optimizer.averages
        return averages

    @property
    def learn_rate(self) -> float:
        """RETURNS (float): The learning rate."""
        rate: float = self._optimizer.learn_rate
        return rate

    def start(self, weights: Dict[str, Weight]) -> None:
        """Sum from now on. Steps before are not taken: they only move the schedules.

        weights (Dict[str, Weight]): All weights, the same on each rank. They get gradients
            of zero: a rank whose batch has none still takes part.
        """
        learners = [weight for weight in weights.values() if weight.learns]
        shapes = [weight.read().shape for weight in learners]
        sizes = [torch.Size(shape).numel() for shape in shapes]
        device = get_torch_default_device()
        self._flat = torch.zeros(sum(sizes) + len(sizes), device=device)
        parts = self._flat.split([*sizes, len(sizes)])
        for weight, shape, part in zip(learners, shapes, parts, strict=False):
            weight.zero_grad()
            self._gradients[weight.key] = torch2xp(part).reshape(shape)

    def __call__(self, key: KeyT, weights: Any, gradient: Any) -> Tuple[Any, Any]:
        """Take down the gradient of some weights, and set it to zero. They are changed, in
        their place, at the end of the step.

        key (KeyT): What they are known by.
        weights (FloatsXd): The weights.
        gradient (FloatsXd): Their gradient.
        RETURNS (Tuple[FloatsXd, FloatsXd]): Both.
        """
        if key not in self._gradients:
            raise ValueError(
                f"'{key[1]}' is no weight that was there when the training began: train "
                "such a component in one process"
            )
        self._gradients[key] += gradient
        self._called[key] = weights
        gradient.fill(0.0)
        return weights, gradient

    def step_schedules(self) -> None:
        """End the step: sum the gradients, change the weights, go on in the schedules."""
        if self._gradients:
            self._step()
        self._pace.end()
        self._optimizer.step_schedules()

    def _step(self) -> None:
        present = self._flat[-len(self._gradients) :]
        present.copy_(torch.tensor([float(key in self._called) for key in self._gradients]))
        self._ranks.sum(self._flat)
        counts: List[float] = present.tolist()
        for (key, gradient), count in zip(self._gradients.items(), counts, strict=True):
            # One that a rank keeps back, because it overflows in 16 bits, is left out by
            # all. So are weights that nobody uses, which decay would change.
            is_used = key in self._optimizer.nr_update or gradient.any()
            if count == self._ranks.count and is_used:
                weights = self._called[key]
                updated, _ = self._optimizer(key, weights, gradient)
                if xp2torch(updated).data_ptr() != xp2torch(weights).data_ptr():
                    weights[...] = updated
        self._called.clear()
        self._flat.zero_()
