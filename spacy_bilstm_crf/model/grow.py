"""torch: more tags for a trained network, without a change of what it predicts."""

from torch import Tensor

from ..tags import OUTSIDE
from .network import BiLSTMCRF

# How many of the leading dimensions of a weight count tags. All other weights stay.
TAG_DIMS = {
    "scorer.weight": 1,
    "scorer.bias": 1,
    "decoder.start_transitions": 1,
    "decoder.transitions": 2,
    "decoder.end_transitions": 1,
}


def carry_over(old: BiLSTMCRF, new: BiLSTMCRF, source: Tensor, margin: float) -> None:
    """Give a network the weights of one that knows fewer tags.

    A tag that the old one does not know becomes O over again, `margin` below it: whatever
    it stands for, O was its name until now. Any path with such tags stays legal with O in
    their place, and scores more. So the best path is that of the old network, exactly, and
    learning begins where the new entities lie.

    old (BiLSTMCRF): The trained network.
    new (BiLSTMCRF): One of the same settings but more tags, changed in place.
    source (Tensor): Id of each new tag among the old ones, or less than 0, int64, shape
        (K,).
    margin (float): How much less than O a new tag scores at each token. Infinite: it is
        never possible.
    """
    unknown = source < 0
    source = source.masked_fill(unknown, OUTSIDE)
    state = old.state_dict()
    for name, dims in TAG_DIMS.items():
        # Only a CRF has transitions.
        if name in state:
            for dim in range(dims):
                index = source.to(state[name].device)
                state[name] = state[name].index_select(dim, index)
    bias = state["scorer.bias"]
    bias[unknown.to(bias.device)] -= margin
    new.load_state_dict(state)
