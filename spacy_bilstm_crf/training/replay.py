"""The steps that another process has done, once more, without their content."""

from itertools import islice
from typing import Any, Callable, Iterable, Iterator, List, Sequence, Tuple

from .random_state import get_shuffle_state, set_shuffle_state

Batches = Iterator[Tuple[int, Any]]
Evaluate = Callable[[], Tuple[float, Any]]


class Epochs:
    """A batcher that takes down the state of `random` at the start of each epoch. With the
    states of another process it gives the same shuffles, whatever else draws from there.

    batcher (Callable): The batcher.
    known (Sequence[Any]): The states at the start of the first epochs.
    """

    def __init__(
        self, batcher: Callable[[Any], Iterable[Any]], known: Sequence[Any] = ()
    ) -> None:
        self.starts: List[Any] = []
        self._batcher = batcher
        self._known = known

    def __call__(self, examples: Any) -> Iterator[Any]:
        """YIELDS (List[Example]): The batches of an epoch."""
        yield from self._batcher(examples)
        self._start()

    def begin(self, batches: Batches) -> Batches:
        """YIELDS (Tuple[int, Any]): The same batches, the start of the first epoch before
        them."""
        self._start()
        yield from batches

    def _start(self) -> None:
        # What spaCy does next is to read the data, or to shuffle them.
        if len(self.starts) < len(self._known):
            set_shuffle_state(self._known[len(self.starts)])
        self.starts.append(get_shuffle_state())


def replay_batches(batches: Batches, steps: int, restore: Callable[[], None]) -> Batches:
    """Take the batches of steps that were done before, and give empty ones instead: the
    loop that asks for them then counts its steps, draws its schedules and learns nothing.

    batches (Batches): The epoch and the content of each batch.
    steps (int): How many steps were done.
    restore (Callable): Puts all that was learned in place, when the loop is through with
        these steps.
    YIELDS (Tuple[int, List[Example]]): The batches.
    """
    for epoch, _ in islice(batches, steps):
        yield epoch, []
    restore()
    yield from batches


def replay_scores(evaluate: Evaluate, scores: Sequence[float]) -> Evaluate:
    """Give the scores of earlier evaluations, before evaluating anew.

    evaluate (Callable): Gives the main score and the others.
    scores (Sequence[float]): The main scores of earlier evaluations.
    RETURNS (Callable): The same, with the earlier ones first.
    """
    earlier = iter(scores)

    def evaluate_or_recall() -> Tuple[float, Any]:
        for score in earlier:
            return score, {}
        return evaluate()

    return evaluate_or_recall
