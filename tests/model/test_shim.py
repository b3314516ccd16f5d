import logging
import pickle

import numpy
import pytest
import spacy
import srsly
import torch
from thinc.api import Adam
from thinc.types import ArgsKwargs

from spacy_bilstm_crf.model import shim as shim_module
from spacy_bilstm_crf.model.network import BiLSTMCRF
from spacy_bilstm_crf.model.shim import BiLSTMCRFShim

SETTINGS = {"width": 3, "hidden_width": 4, "depth": 1, "decoder": "crf", "num_tags": 5}


def make_shim(**kwargs):
    torch.manual_seed(0)
    shim = BiLSTMCRFShim(**kwargs)
    shim.build(dict(SETTINGS))
    return shim


def inputs(requires_grad=False):
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4, 2, 3, generator=generator).requires_grad_(requires_grad)
    allowed = torch.zeros(4, 2, 5, dtype=torch.bool)
    allowed[..., 0] = True
    return vectors, torch.tensor([4, 2]), allowed


def update(shim, optimizer):
    vectors, lengths, allowed = inputs(requires_grad=True)
    arguments = ArgsKwargs(args=(vectors, lengths, allowed), kwargs={"loss": True})
    loss, backprop = shim(arguments, True)
    d_loss = torch.ones_like(loss)
    d_inputs = backprop(ArgsKwargs(args=(loss,), kwargs={"grad_tensors": d_loss}))
    shim.finish_update(optimizer)
    return loss.detach(), d_inputs.args[0]


def weights_of(shim):
    return {name: value.clone() for name, value in shim.network.state_dict().items()}


def test_every_method_works_before_the_module_is_built():
    shim = BiLSTMCRFShim()
    shim.finish_update(Adam(0.1))
    shim.to_device("cpu", 0)
    with shim.use_params({}):
        pass
    assert shim.copy().to_bytes() == shim.to_bytes()
    assert BiLSTMCRFShim().from_bytes(shim.to_bytes()).to_bytes() == shim.to_bytes()
    with pytest.raises(ValueError, match="no weights yet"):
        shim.predict(ArgsKwargs(args=inputs(), kwargs={}))


def test_bytes_hold_settings_and_weights_and_are_stable():
    shim = make_shim()
    loaded = BiLSTMCRFShim().from_bytes(shim.to_bytes())
    assert loaded.cfg == SETTINGS
    for name, value in weights_of(shim).items():
        assert torch.equal(value, loaded.network.state_dict()[name])
    assert loaded.to_bytes() == shim.to_bytes()


def test_bytes_are_safetensors_in_msgpack_and_not_pickle():
    message = srsly.msgpack_loads(make_shim().to_bytes())
    assert set(message) == {"format", "settings", "weights"}
    # A safetensors file begins with the size of its JSON header.
    size = int.from_bytes(message["weights"][:8], "little")
    assert set(srsly.json_loads(message["weights"][8 : 8 + size]))


def test_a_format_of_the_future_is_refused_and_changes_nothing():
    shim = make_shim()
    before = shim.to_bytes()
    with pytest.raises(ValueError, match=r"format 2.*reads format 1"):
        shim.from_bytes(srsly.msgpack_dumps({"format": 2}))
    assert shim.to_bytes() == before


def test_weights_that_do_not_fit_are_refused_and_change_nothing():
    shim = make_shim()
    before = shim.to_bytes()
    message = srsly.msgpack_loads(before)
    message["settings"] = {**message["settings"], "hidden_width": 6}
    with pytest.raises(ValueError, match="its settings do not fit its weights"):
        shim.from_bytes(srsly.msgpack_dumps(message))
    assert shim.to_bytes() == before


def test_update_moves_every_weight_and_gives_the_gradient_of_the_vectors():
    shim = make_shim()
    before = weights_of(shim)
    loss, d_vectors = update(shim, Adam(0.01))
    assert d_vectors.shape == (4, 2, 3)
    assert d_vectors.abs().sum() > 0
    assert d_vectors[2:, 1].abs().max() == 0  # padding
    parameters = dict(shim.network.named_parameters())
    for name, value in weights_of(shim).items():
        assert torch.equal(value, before[name]) == (name not in parameters), name
    again, _ = update(shim, Adam(0.01))
    assert again.sum() < loss.sum()


def test_averages_replace_the_weights_for_a_while():
    shim = make_shim()
    optimizer = Adam(0.1, use_averages=True)
    for _ in range(3):
        update(shim, optimizer)
    raw = weights_of(shim)
    with shim.use_params(optimizer.averages):
        for name, parameter in shim.network.named_parameters():
            average = optimizer.averages[shim.id, name]
            numpy.testing.assert_array_equal(parameter.detach().numpy(), average)
            assert not torch.equal(parameter, raw[name]), name
    assert all(torch.equal(v, raw[name]) for name, v in weights_of(shim).items())
    with pytest.raises(RuntimeError), shim.use_params(optimizer.averages):
        raise RuntimeError
    assert all(torch.equal(v, raw[name]) for name, v in weights_of(shim).items())


def test_a_copy_has_weights_and_an_id_of_its_own():
    shim = make_shim()
    copied = shim.copy()
    assert copied.id != shim.id
    update(copied, Adam(0.1))
    assert not torch.equal(copied.network.scorer.weight, shim.network.scorer.weight)


def test_pickle_round_trip():
    shim = make_shim()
    assert pickle.loads(pickle.dumps(shim)).to_bytes() == shim.to_bytes()


def test_prediction_leaves_the_mode_of_the_module_alone(monkeypatch):
    shim = make_shim()
    modes = []
    monkeypatch.setattr(BiLSTMCRF, "train", lambda self, mode=True: modes.append(mode))
    shim.predict(ArgsKwargs(args=inputs()[:2], kwargs={}))
    assert modes == []
    assert shim.network.training


@pytest.mark.parametrize("supported", [True, False])
def test_precision_is_that_of_prediction_where_the_processor_has_it(
    monkeypatch, caplog, supported
):
    monkeypatch.setattr(shim_module, "cpu_has_bfloat16", lambda: supported)
    spacy.util.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger="spacy"):
        shim = make_shim(precision="bfloat16")
    spacy.util.logger.removeHandler(caplog.handler)
    assert ("no instructions for it" in caplog.text) != supported
    seen = []
    shim.network.scorer.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    shim.predict(ArgsKwargs(args=inputs()[:2], kwargs={}))
    update(shim, Adam(0.01))
    assert seen == [torch.bfloat16 if supported else torch.float32, torch.float32]


def test_mixed_precision_on_a_cpu_trains_in_bfloat16():
    exact, mixed = make_shim(), make_shim(mixed_precision=True)
    seen = []
    mixed.network.scorer.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    loss, _ = update(mixed, Adam(0.01))
    expected, _ = update(exact, Adam(0.01))
    torch.testing.assert_close(loss, expected, rtol=0.02, atol=0.05)
    mixed.predict(ArgsKwargs(args=inputs()[:2], kwargs={}))
    assert seen == [torch.bfloat16, torch.float32]
    assert mixed.network.scorer.weight.dtype == torch.float32


def test_adversarial_training_adds_the_gradients_at_the_worst_place_nearby():
    shim = make_shim(adversarial_norm=0.5)
    network = make_shim().network
    vectors, lengths, allowed = inputs(requires_grad=True)
    network(vectors, lengths, allowed, loss=True).sum().backward()
    mask = (torch.arange(4).unsqueeze(1) < lengths).unsqueeze(-1)
    direction = vectors.grad / (vectors.grad.norm(dim=-1, keepdim=True) + 1e-12)
    worse = (vectors + 0.5 * direction * mask).detach().requires_grad_()
    network(worse, lengths, allowed, loss=True).sum().backward()
    gradients = []

    def collect(key, weights, gradient):
        gradients.append(gradient.copy())
        return weights, gradient

    loss, d_vectors = update(shim, collect)
    torch.testing.assert_close(d_vectors, vectors.grad + worse.grad)
    for parameter, found in zip(network.parameters(), gradients, strict=True):
        numpy.testing.assert_allclose(found, parameter.grad.numpy(), rtol=1e-4, atol=1e-5)
    # What is reported is the loss of the texts as they are.
    torch.testing.assert_close(loss, network(vectors, lengths, allowed, loss=True).detach())
