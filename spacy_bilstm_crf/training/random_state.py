"""The state of all generators of random numbers that training draws from."""

import base64
import random
from typing import Any, Dict, List, Sequence

import numpy
import torch


def get_random_state() -> Dict[str, Any]:
    """Shuffles draw from `random`, embeddings and thinc's dropout from numpy, torch's from
    its own generators.

    RETURNS (Dict[str, Any]): The state of all of these, as JSON knows it.
    """
    _, keys, position, has_gauss, gauss = numpy.random.get_state(legacy=True)
    return {
        "random": get_shuffle_state(),
        "numpy": [_pack(keys), int(position), int(has_gauss), float(gauss)],
        "torch": _pack_tensor(torch.get_rng_state()),
        "cuda": [_pack_tensor(state) for state in _cuda_states()],
    }


def set_random_state(state: Dict[str, Any]) -> None:
    """Continue from a state.

    state (Dict[str, Any]): As `get_random_state` gives it. States of CUDA devices that are
        not there are left out.
    """
    set_shuffle_state(state["random"])
    keys, position, has_gauss, gauss = state["numpy"]
    numpy.random.set_state(("MT19937", _unpack(keys), position, has_gauss, gauss))
    torch.set_rng_state(_unpack_tensor(state["torch"]))
    if len(state["cuda"]) == len(_cuda_states()):
        torch.cuda.set_rng_state_all([_unpack_tensor(one) for one in state["cuda"]])


def get_shuffle_state() -> List[Any]:
    """RETURNS (List[Any]): The state of `random` alone, as JSON knows it."""
    version, numbers, gauss = random.getstate()
    return [version, _pack(numbers), gauss]


def set_shuffle_state(state: Sequence[Any]) -> None:
    """Continue from a state of `random`."""
    version, numbers, gauss = state
    random.setstate((version, tuple(_unpack(numbers).tolist()), gauss))


def _cuda_states() -> List[torch.Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


def _pack(numbers: Any) -> str:
    """Numbers of 32 bits as base64: a third of what they take in decimal."""
    little = numpy.asarray(numbers, dtype="<u4")
    return base64.b64encode(little.tobytes()).decode("ascii")


def _unpack(text: str) -> Any:
    return numpy.frombuffer(base64.b64decode(text), dtype="<u4").astype("uint32")


def _pack_tensor(state: torch.Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode("ascii")


def _unpack_tensor(text: str) -> torch.Tensor:
    return torch.tensor(list(base64.b64decode(text)), dtype=torch.uint8)
