"""What must be the same on all ranks, and what rank 0 gives the others."""

from typing import Dict, Mapping, Sequence, Tuple

from thinc.api import Optimizer, get_current_ops
from thinc.util import to_numpy

from ..arrays import SLOTS
from ..fingerprint import Fingerprint, list_differences
from ..weights import Weight
from .group import Ranks

SHOWN = 3


def require_same_training(
    ranks: Ranks, fingerprint: Fingerprint, labels: Mapping[str, Sequence[str]]
) -> None:
    """Stop if the ranks would learn other things: config and data may differ on several
    machines.

    ranks (Ranks): The ranks.
    fingerprint (Fingerprint): What the training depends on.
    labels (Mapping[str, Sequence[str]]): The labels of each component, in their order.
    RAISES (ValueError): If something is not as on rank 0.
    """
    mine = {
        **fingerprint,
        **{f"labels of {n}": str(list(one)) for n, one in labels.items()},
    }
    differences = list_differences(ranks.broadcast(mine), mine)
    if differences:
        raise ValueError(
            f"its training is not that of rank 0: {', '.join(differences[:SHOWN])}: give "
            "all ranks the same config and data"
        )


def send_weights(ranks: Ranks, weights: Dict[str, Weight], optimizer: Optimizer) -> None:
    """Give all ranks the weights of rank 0, and what its optimizer knows of them.

    ranks (Ranks): The ranks.
    weights (Dict[str, Weight]): The weights by name.
    optimizer (Optimizer): The optimizer.
    RAISES (ValueError): If the weights have other names or shapes than those of rank 0.
    """
    mine = {name: weight.read().shape for name, weight in weights.items()}
    theirs: Dict[str, Tuple[int, ...]] = ranks.broadcast(mine)
    if mine != theirs:
        names = sorted({*mine, *theirs})
        first = next(name for name in names if mine.get(name) != theirs.get(name))
        raise ValueError(
            f"the weights {first} have the shape {mine.get(first)}, and on rank 0 "
            f"{theirs.get(first)}: give all ranks the same config and data"
        )
    for weight in weights.values():
        weight.write(ranks.broadcast(weight.read() if ranks.leads else None))
    ops = get_current_ops()
    for slot in SLOTS:
        arrays = getattr(optimizer, slot)
        if arrays is None:
            continue
        known = [name for name, weight in weights.items() if weight.key in arrays]
        for name in ranks.broadcast(known):
            key = weights[name].key
            arrays[key] = ops.asarray(
                ranks.broadcast(to_numpy(arrays[key]) if ranks.leads else None)
            )
