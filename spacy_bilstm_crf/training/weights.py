"""All weights of a pipeline, under names that are the same in every process."""

from typing import Any, Callable, Dict, Iterable, Iterator, NamedTuple, Tuple

import numpy
import torch
from numpy.typing import NDArray
from spacy.language import Language
from thinc.api import Model, Optimizer
from thinc.util import partial

from ..losses import LossError

Array = NDArray[Any]


class Weight(NamedTuple):
    """An array that training changes.

    key (Tuple[int, str]): What the optimizer knows it by: the id of its layer, another one
        in each process, and its name there.
    read (Callable): Gives it as an array of numpy, perhaps without a copy.
    write (Callable): Puts an array of the same shape in its place.
    zero_grad (Callable): Gives it a gradient of zeros, where there may be none.
    learns (bool): Whether it can have a gradient: not all arrays of a torch module can.
    """

    key: Tuple[int, str]
    read: Callable[[], Array]
    write: Callable[[Array], None]
    zero_grad: Callable[[], None]
    learns: bool


def list_weights(nlp: Language, exclude: Iterable[str]) -> Dict[str, Weight]:
    """List what training changes. A layer is named by its place in the walk through the
    component's model, which follows from the config.

    nlp (Language): The initialized pipeline.
    exclude (Iterable[str]): Names of components that are not trained.
    RETURNS (Dict[str, Weight]): The weights by name. Those of a layer that several
        components share are there once.
    """
    found: Dict[str, Weight] = {}
    seen = set()
    for pipe_name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        if pipe_name in exclude or not isinstance(model, Model):
            continue
        for number, node in enumerate(model.walk()):
            if node.id in seen:
                continue
            seen.add(node.id)
            place = f"{pipe_name}/{number}/{node.name}"
            for name, weight in _of_layer(node):
                found[f"{place}/{name}"] = weight
            for index, shim in enumerate(node.shims):
                for name, weight in _of_shim(shim):
                    found[f"{place}/{index}/{name}"] = weight
    return found


def require_finite_weights(weights: Dict[str, Weight], optimizer: Optimizer) -> None:
    """Stop before useless weights take the place of good ones.

    weights (Dict[str, Weight]): The weights by name.
    optimizer (Optimizer): What has updated them. Others may be infinite, such as masks.
    RAISES (LossError): If one of them is infinite or no number.
    """
    for name, weight in weights.items():
        if weight.key in optimizer.nr_update and not numpy.isfinite(weight.read()).all():
            raise LossError(
                f"the weights {name} are infinite or no numbers: lower learn_rate or "
                "grad_clip in [training.optimizer]"
            )


def _of_layer(node: Model[Any, Any]) -> Iterator[Tuple[str, Weight]]:
    for name in node.param_names:
        if node.has_param(name):
            yield (
                name,
                Weight(
                    key=(node.id, name),
                    read=partial(_read_param, node, name),
                    write=partial(_write_param, node, name),
                    zero_grad=partial(_zero_param_grad, node, name),
                    learns=True,
                ),
            )


def _read_param(node: Model[Any, Any], name: str) -> Array:
    array: Array = node.ops.to_numpy(node.get_param(name))
    return array


def _write_param(node: Model[Any, Any], name: str, value: Any) -> None:
    node.set_param(name, node.ops.asarray_f(value))


def _zero_param_grad(node: Model[Any, Any], name: str) -> None:
    node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))


def _of_shim(shim: Any) -> Iterator[Tuple[str, Weight]]:
    """Weights and buffers of a torch module, and how its loss is scaled in 16 bits."""
    tensors = dict(shim._model.state_dict(keep_vars=True))
    tensors["grad_scaler.scale"] = shim._grad_scaler._scale
    tensors["grad_scaler.growth_tracker"] = shim._grad_scaler._growth_tracker
    for name, tensor in tensors.items():
        yield (
            name,
            Weight(
                key=(shim.id, name),
                read=partial(_read_tensor, tensor),
                write=partial(_write_tensor, tensor),
                zero_grad=partial(_zero_tensor_grad, tensor),
                learns=tensor.requires_grad,
            ),
        )


def _read_tensor(tensor: torch.Tensor) -> Array:
    tensor = tensor.detach().cpu()
    # numpy has no bfloat16, and float32 has all of its numbers.
    array: Array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _write_tensor(tensor: torch.Tensor, value: Array) -> None:
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(value))


def _zero_tensor_grad(tensor: torch.Tensor) -> None:
    tensor.grad = torch.zeros_like(tensor)
