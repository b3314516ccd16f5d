import logging
from types import SimpleNamespace

import pytest
import torch
from thinc.api import Adam, PyTorchGradScaler
from torch import nn

from spacy_bilstm_crf.model.gradients import finish_update


def make_shim(*gradients, scaled=True):
    """A shim whose module has a weight of [1.0, 1.0] for each gradient, if there is one."""
    module = nn.Module()
    for number, gradient in enumerate(gradients):
        weight = nn.Parameter(torch.ones(2))
        weight.grad = None if gradient is None else torch.tensor(gradient)
        module.register_parameter(f"weight{number}", weight)
    scaler = PyTorchGradScaler(scaled, init_scale=4.0)
    return SimpleNamespace(id=7, _model=module, _grad_scaler=scaler, overflows=0)


def weights_of(shim):
    return [weight.tolist() for weight in shim._model.parameters()]


class Descent:
    """Subtracts the gradient, and keeps it. RETURNS (Tuple): As all optimizers do."""

    def __init__(self, in_place):
        self.in_place = in_place
        self.seen = {}

    def __call__(self, key, weights, gradient):
        self.seen[key] = gradient
        if self.in_place:
            weights -= gradient
            return weights, gradient
        return weights - gradient, gradient


@pytest.mark.parametrize("in_place", [True, False])
def test_weights_move_where_they_are(in_place):
    shim = make_shim([4.0, 8.0], None, [-4.0, 0.0])
    before = list(shim._model.parameters())
    places = [weight.data_ptr() for weight in before]
    optimizer = Descent(in_place)
    finish_update(shim, optimizer)
    # The loss was scaled.
    assert weights_of(shim) == [[0.0, -1.0], [1.0, 1.0], [2.0, 1.0]]
    after = list(shim._model.parameters())
    assert all(one is other for one, other in zip(after, before, strict=True))
    assert [weight.data_ptr() for weight in after] == places
    assert all(weight.requires_grad and weight.is_leaf for weight in after)
    assert shim.overflows == 0


def test_an_optimizer_may_keep_what_it_is_given():
    shim = make_shim([4.0, 8.0], None)
    gradient = shim._model.weight0.grad
    optimizer = Descent(in_place=True)
    finish_update(shim, optimizer)
    kept = {key: value.tolist() for key, value in optimizer.seen.items()}
    assert kept == {(7, "weight0"): [1.0, 2.0]}
    # The next step begins with none.
    assert shim._model.weight0.grad is gradient
    assert gradient.tolist() == [0.0, 0.0]
    assert shim._model.weight1.grad is None


def test_gradients_that_were_not_scaled():
    shim = make_shim([0.25, 0.5], scaled=False)
    finish_update(shim, Descent(in_place=True))
    assert weights_of(shim) == [[0.75, 0.5]]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_step_that_overflows_is_skipped_and_counted(caplog, value):
    shim = make_shim([4.0, 8.0], [1.0, value])
    optimizer = Descent(in_place=True)
    with caplog.at_level(logging.INFO, logger="spacy"):
        finish_update(shim, optimizer)
    assert optimizer.seen == {}
    assert weights_of(shim) == [[1.0, 1.0], [1.0, 1.0]]
    assert all(weight.grad.tolist() == [0.0, 0.0] for weight in shim._model.parameters())
    assert shim.overflows == 1
    assert [record.getMessage() for record in caplog.records] == [
        "gradients overflow in float16: this step does not change the Module (1 by now; "
        "the loss will be scaled less)"
    ]
    # It is scaled by 2 from here on.
    shim._model.weight0.grad += 1.0
    finish_update(shim, optimizer)
    assert weights_of(shim) == [[0.5, 0.5], [1.0, 1.0]]
    assert shim.overflows == 1


def test_adam_updates_in_place():
    shim = make_shim([4.0, 8.0])
    place = shim._model.weight0.data_ptr()
    optimizer = Adam(0.1, use_averages=True)
    for _ in range(3):
        finish_update(shim, optimizer)
        shim._model.weight0.grad += 4.0
    assert shim._model.weight0.data_ptr() == place
    assert weights_of(shim) != [[1.0, 1.0]]
    # The averages are not the weights.
    assert optimizer.averages[7, "weight0"].tolist() != weights_of(shim)[0]
