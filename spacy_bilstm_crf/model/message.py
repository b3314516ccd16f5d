"""torch: saved bytes -> a network, if they are one."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple

import srsly
from safetensors.torch import load
from torch import Tensor

from .memory import is_out_of_memory
from .network import DECODERS, BiLSTMCRF

# Written into every saved model. A later format reads this one too.
FORMAT = 1

DAMAGED = "no BiLSTM-CRF, or a damaged one ({}): copy it again, or train another"
MISFIT = "its settings do not fit its weights"
TOO_LARGE = "not enough memory to load this BiLSTM-CRF: free some, or use a larger machine"
SIZES = ("width", "hidden_width", "depth", "num_tags")


def read_message(data: bytes) -> Tuple[Dict[str, Any], Optional[BiLSTMCRF]]:
    """Read what `BiLSTMCRFShim.to_bytes` has written. Nothing in it is run, and nothing is
    built that is larger than the weights that are there.

    data (bytes): Settings and weights.
    RETURNS (Tuple[Dict[str, Any], Optional[BiLSTMCRF]]): The settings, and the network, if
        it had been built.
    RAISES (ValueError): If they are something else, or damaged.
    RAISES (MemoryError): If they are more than there is memory for.
    """
    with _explain("no message of it"):
        message = srsly.msgpack_loads(data)
        saved_format = message["format"]
    if saved_format != FORMAT:
        raise ValueError(
            f"a BiLSTM-CRF of format {saved_format!r}, and this version of "
            f"spacy-bilstm-crf reads format {FORMAT}: upgrade the package or train another"
        )
    settings, weights = message.get("settings"), message.get("weights")
    if weights is None and settings == {}:
        return settings, None
    with _explain("its weights cannot be read"):
        tensors = load(weights)
    return settings, _build(settings, tensors)


@contextmanager
def _explain(reason: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into one clear error: whatever is wrong with the
    bytes has an error of its own."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError(TOO_LARGE) from error
        raise ValueError(DAMAGED.format(reason)) from error


def _build(settings: Any, tensors: Dict[str, Tensor]) -> BiLSTMCRF:
    if not _is_plausible(settings, tensors):
        raise ValueError(DAMAGED.format(MISFIT))
    with _explain(MISFIT):
        network = BiLSTMCRF(**settings)
        network.load_state_dict(tensors)
        state = network.state_dict()
        broken = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if broken:
        raise ValueError(
            f"a BiLSTM-CRF whose weights {broken[0]} are no numbers: its training has gone "
            "wrong, or it is damaged"
        )
    return network


def _is_plausible(settings: Any, tensors: Dict[str, Tensor]) -> bool:
    """RETURNS (bool): Whether a network of these settings may be tried. One of other sizes
    than those of the weights could ask for any memory."""
    if not isinstance(settings, dict) or settings.get("decoder") not in DECODERS:
        return False
    sizes: Any = [settings.get(name) for name in SIZES]
    if not all(type(size) is int and size >= 0 for size in sizes):
        return False
    width, hidden_width, depth, num_tags = sizes
    shapes = _list_shapes(width, hidden_width, depth, num_tags, settings["decoder"])
    # The first that is missing ends it, at any depth.
    return all(name in tensors and tensors[name].shape == shape for name, shape in shapes)


def _list_shapes(
    width: int, hidden_width: int, depth: int, num_tags: int, decoder: str
) -> Iterator[Tuple[str, Tuple[int, ...]]]:
    """YIELDS (Tuple[str, Tuple[int, ...]]): Names and shapes of the weights that tell how
    much memory all take."""
    for layer in range(depth):
        for direction in ("forwards", "backwards"):
            lstm = f"bilstm.{direction}.{layer}"
            yield f"{lstm}.weight_ih_l0", (4 * hidden_width, width)
            yield f"{lstm}.weight_hh_l0", (4 * hidden_width, hidden_width)
        width = 2 * hidden_width
    yield "scorer.weight", (num_tags, width)
    # A weight without columns may have any number of rows.
    yield "scorer.bias", (num_tags,)
    if decoder == "crf":
        yield "decoder.transitions", (num_tags, num_tags)
