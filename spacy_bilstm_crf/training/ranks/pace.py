"""How fast a rank learns."""

from timeit import default_timer as timer
from typing import Tuple


class Pace:
    """Counts Docs, and the time of the steps that learn from them: waiting for other ranks
    is part of it, reading data and evaluating are not."""

    def __init__(self) -> None:
        self._docs = 0
        self._seconds = 0.0
        self._began = timer()

    def begin(self, docs: int) -> None:
        """Begin a step.

        docs (int): How many Docs it learns from.
        """
        self._docs += docs
        self._began = timer()

    def end(self) -> None:
        """End the step."""
        self._seconds += timer() - self._began

    def take(self) -> Tuple[int, float]:
        """RETURNS (Tuple[int, float]): Docs and seconds of the steps since this was asked
        before."""
        taken = self._docs, self._seconds
        self._docs, self._seconds = 0, 0.0
        return taken
