"""From the gradients of a shim's module to its next weights."""

from typing import Any, cast

import torch
from spacy.util import logger
from thinc.api import Optimizer
from thinc.shims.shim import Shim
from thinc.types import FloatsXd
from thinc.util import torch2xp, xp2torch
from torch import nn


def finish_update(shim: Any, optimizer: Optimizer) -> None:
    """Update the weights of a shim's module, and set its gradients to zero. If gradients
    overflow in float16 the step is skipped and counted.

    It differs from thinc's own shim in three things. Gradients are unscaled here, once per
    step, and not after each backward pass, where those of earlier passes would be unscaled
    once more. The optimizer may keep the gradients, as that of `Language.rehearse` does.
    And the weights stay where they are in memory: wrapped anew in each step, every wrapper
    would keep the one before it alive.

    shim (PyTorchShim): A shim with a count `overflows`. It may have no module yet.
    optimizer (Optimizer): The optimizer, or a function that is called like it.
    """
    if shim._model is None:
        return
    parameters = [(n, p) for n, p in shim._model.named_parameters() if p.grad is not None]
    scaler = shim._grad_scaler
    if scaler.unscale([parameter.grad for _, parameter in parameters]):
        shim.overflows += 1
        logger.info(
            "gradients overflow in float16: this step does not change the %s (%d by now; "
            "the loss will be scaled less)",
            type(shim._model).__name__,
            shim.overflows,
        )
    for name, parameter in parameters:
        if not scaler.found_inf:
            _update((shim.id, name), parameter, optimizer)
        parameter.grad.zero_()
    scaler.update()


def _update(key: Any, parameter: nn.Parameter, optimizer: Optimizer) -> None:
    weights = cast(FloatsXd, torch2xp(parameter.data))
    gradient = cast(FloatsXd, torch2xp(cast(torch.Tensor, parameter.grad)))
    updated, _ = optimizer(key, weights, gradient.copy())
    values = xp2torch(updated, device=parameter.device)
    # thinc's own optimizers update in place.
    if values.data_ptr() != parameter.data_ptr():
        with torch.no_grad():
            parameter.copy_(values)


def renew_id(shim: Any) -> None:
    """Give a shim another id, under which optimizers do not know its weights yet.

    shim (PyTorchShim): The shim.
    """
    with Shim.global_id_lock:
        Shim.global_id += 1
        shim.id = Shim.global_id
