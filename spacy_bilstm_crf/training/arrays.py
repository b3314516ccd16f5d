"""Weights and what the optimizer knows of them <-> safetensors."""

from pathlib import Path
from typing import Any, Dict

import numpy
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from thinc.api import Optimizer, get_current_ops
from thinc.util import to_numpy

from .weights import Array, Weight

WEIGHTS = "weights"
# Attributes of thinc's Optimizer, each a dict of arrays by key, or None.
SLOTS = ("mom1", "mom2", "averages")


def save_arrays(folder: Path, weights: Dict[str, Weight], optimizer: Optimizer) -> None:
    """Write the weights themselves, not their averages, and the optimizer's arrays.

    folder (Path): Gets one file for each kind.
    weights (Dict[str, Weight]): The weights by name.
    optimizer (Optimizer): The optimizer.
    """
    # One after the other: arrays that come from a GPU are copies.
    _save(folder, WEIGHTS, {name: weight.read() for name, weight in weights.items()})
    for slot in SLOTS:
        arrays = getattr(optimizer, slot) or {}
        known = {name: w.key for name, w in weights.items() if w.key in arrays}
        _save(folder, slot, {name: to_numpy(arrays[key]) for name, key in known.items()})


def load_arrays(folder: Path, weights: Dict[str, Weight], optimizer: Optimizer) -> None:
    """Put saved arrays in place.

    folder (Path): The folder.
    weights (Dict[str, Weight]): The weights by name.
    optimizer (Optimizer): The optimizer, whose own arrays are dropped.
    RAISES (ValueError): If a file is broken, or of other weights. Nothing has changed then.
    """
    saved = {name: _load(folder, name) for name in (WEIGHTS, *SLOTS)}
    shapes = {name: array.shape for name, array in saved[WEIGHTS].items()}
    expected = {name: weight.read().shape for name, weight in weights.items()}
    if shapes != expected:
        differ = sorted(
            name for name in {*shapes, *expected} if shapes.get(name) != expected.get(name)
        )
        raise ValueError(
            f"{folder} has other weights: {differ[0]} has the shape "
            f"{shapes.get(differ[0])}, and {expected.get(differ[0])} is expected"
        )
    for name, weight in weights.items():
        weight.write(saved[WEIGHTS][name])
    ops = get_current_ops()
    for slot in SLOTS:
        if getattr(optimizer, slot) is not None:
            arrays = {weights[name].key: ops.asarray(a) for name, a in saved[slot].items()}
            setattr(optimizer, slot, arrays)


def _save(folder: Path, name: str, arrays: Dict[str, Array]) -> None:
    ordered = {name: numpy.asarray(array, order="C") for name, array in arrays.items()}
    save_file(ordered, folder / f"{name}.safetensors")


def _load(folder: Path, name: str) -> Dict[str, Any]:
    path = folder / f"{name}.safetensors"
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
