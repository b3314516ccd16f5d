"""What becomes of spaCy's loop when several processes go through it together."""

import random
from itertools import islice
from typing import Any, Dict, Iterable, List, Tuple

import numpy
from spacy.language import Language
from thinc.api import Optimizer, fix_random_seed

from ..random_state import get_random_state
from ..replay import Batches, Evaluate
from ..weights import list_weights
from .group import Ranks
from .optimizer import SumOptimizer
from .pace import Pace
from .same import send_weights


class Together:
    """A training of several ranks. All go through the same data and the same steps, and
    each learns from its own batch of a step.

    ranks (Ranks): The ranks.
    optimizer (Optimizer): The optimizer of the config.
    """

    def __init__(self, ranks: Ranks, optimizer: Optimizer) -> None:
        self._ranks = ranks
        self._inner = optimizer
        self._pace = Pace()
        self.optimizer = SumOptimizer(ranks, optimizer, self._pace)

    def start(self, nlp: Language, exclude: Iterable[str]) -> None:
        """Begin with the weights of rank 0, and with what its optimizer knows of them.

        nlp (Language): The pipeline, initialized or restored.
        exclude (Iterable[str]): Names of components that are not trained.
        """
        weights = list_weights(nlp, exclude)
        send_weights(self._ranks, weights, self._inner)
        self.optimizer.start(weights)
        # Steps that were done before do not count.
        self._pace.take()

    def draw_differently(self) -> None:
        """Let each rank drop other units. What draws them is in the same state so far."""
        if not self._ranks.leads:
            fix_random_seed(int(numpy.random.randint(2**31)) + self._ranks.rank)

    def share(self, batches: Batches) -> Batches:
        """Take this rank's batch of each step. Those of a step follow each other in the
        data: if the batcher sorts, they are alike in length. At the end of the data a rank
        may get an empty one.

        batches (Batches): The epoch and the content of each batch, the same on each rank.
        YIELDS (Tuple[int, List[Example]]): The epoch and this rank's batch.
        """
        # Shuffles draw from `random`. So may a component that learns or is evaluated, on
        # one rank only: the data have a state of their own.
        state = self._ranks.broadcast(random.getstate())
        while True:
            others = random.getstate()
            random.setstate(state)
            step = [(epoch, list(one)) for epoch, one in islice(batches, self._ranks.count)]
            state = random.getstate()
            random.setstate(others)
            if not step:
                return
            self._ranks.note(len(example) for _, batch in step for example in batch)
            epoch, _ = step[0]
            batch = step[self._ranks.rank][1] if self._ranks.rank < len(step) else []
            self._pace.begin(len(batch))
            yield epoch, batch

    def evaluate_once(self, evaluate: Evaluate) -> Evaluate:
        """Evaluate on rank 0 only.

        evaluate (Callable): Gives the main score and the others.
        RETURNS (Callable): Gives each rank the same: they agree on when to stop.
        """

        def evaluate_on_rank_0() -> Tuple[float, Any]:
            scores: Tuple[float, Any] = self._ranks.broadcast(
                evaluate() if self._ranks.leads else None
            )
            return scores

        return evaluate_on_rank_0

    def combine(self, info: Dict[str, Any]) -> List[Dict[str, Any]]:
        """Add up what each rank knows of its share. On rank 0 the sums take the place of
        its own losses and words, and one thing is new: `rank_docs_per_second`, of each.

        info (Dict[str, Any]): What spaCy's loop tells of the last step.
        RETURNS (List[Dict[str, Any]]): On rank 0 the random states of the others.
        """
        docs, seconds = self._pace.take()
        mine = {
            "losses": {name: float(loss) for name, loss in info["losses"].items()},
            "words": info["words"],
            "speed": docs / seconds if seconds else 0.0,
            "random": get_random_state(),
        }
        shares = self._ranks.gather(mine)
        if not shares:
            return []
        # The loop goes on with these losses.
        for name in info["losses"].keys() | {
            n for share in shares for n in share["losses"]
        }:
            info["losses"][name] = sum(share["losses"].get(name, 0.0) for share in shares)
        info["words"] = sum(share["words"] for share in shares)
        info["rank_docs_per_second"] = [share["speed"] for share in shares]
        return [share["random"] for share in shares[1:]]


def describe_pace(info: Dict[str, Any]) -> str:
    """RETURNS (str): How fast all ranks learn together, and each of them."""
    speeds = info["rank_docs_per_second"]
    each = " + ".join(f"{speed:.0f}" for speed in speeds)
    return f"{sum(speeds):.0f} sentences/s: {each}"
