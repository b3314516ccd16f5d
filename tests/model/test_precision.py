import logging

import pytest
import torch
from thinc.api import Adam
from thinc.types import ArgsKwargs

from spacy_bilstm_crf.model import shim as shim_module
from spacy_bilstm_crf.model.precision import cpu_has_bfloat16
from spacy_bilstm_crf.model.shim import BiLSTMCRFShim

CHECKS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
SETTINGS = {"width": 3, "hidden_width": 4, "depth": 1, "decoder": "crf", "num_tags": 5}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([True, True], True),
        ([True, False], True),
        ([False, True], True),
        ([False, False], False),
    ],
)
def test_bfloat16_is_found_by_either_of_its_instructions(monkeypatch, answers, expected):
    for name, answer in zip(CHECKS, answers, strict=True):
        monkeypatch.setattr(torch.cpu, name, lambda answer=answer: answer, raising=False)
    assert cpu_has_bfloat16() == expected


def test_a_version_of_torch_that_does_not_know(monkeypatch):
    for name in CHECKS:
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not cpu_has_bfloat16()


@pytest.fixture
def make_gpu_shim(monkeypatch, passes):
    """Make a shim of a BiLSTM-CRF that takes itself to be on a GPU."""

    def make(**kwargs):
        torch.manual_seed(0)
        with monkeypatch.context() as patches:
            device = torch.device("cuda")
            patches.setattr(shim_module, "get_torch_default_device", lambda: device)
            shim = BiLSTMCRFShim(**kwargs)
        shim.build(dict(SETTINGS))
        return shim

    monkeypatch.setattr(BiLSTMCRFShim, "_device_type", "cuda")
    return make


def train(shim, d_loss=1.0):
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4, 2, 3, generator=generator).requires_grad_()
    allowed = torch.zeros(4, 2, 5, dtype=torch.bool)
    allowed[..., 0] = True
    arguments = (vectors, torch.tensor([4, 2]), allowed)
    loss, backprop = shim(ArgsKwargs(args=arguments, kwargs={"loss": True}), True)
    d_losses = {"grad_tensors": torch.full_like(loss, d_loss)}
    return backprop(ArgsKwargs(args=(loss,), kwargs=d_losses)).args[0]


def collect(shim):
    """RETURNS (Dict[str, Tensor]): The gradients that an optimizer is given."""
    found = {}

    def step(key, weights, gradient):
        found[key[1]] = torch.from_numpy(gradient)
        return weights, gradient

    shim.finish_update(step)
    return found


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float16), ("bfloat16", torch.bfloat16)]
)
def test_what_the_bilstm_computes_in_on_a_gpu(
    make_gpu_shim, monkeypatch, passes, caplog, precision, dtype, mixed
):
    # What the processor has does not matter then.
    monkeypatch.setattr(shim_module, "cpu_has_bfloat16", lambda: False)
    with caplog.at_level(logging.INFO, logger="spacy"):
        shim = make_gpu_shim(mixed_precision=mixed, precision=precision)
    assert caplog.text == ""
    shim.predict(ArgsKwargs(args=(torch.ones(4, 1, 3), torch.tensor([4])), kwargs={}))
    train(shim)
    assert passes == [("cuda", dtype, mixed)] * 2


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({"mixed_precision": True}, 2.0**16),
        ({"mixed_precision": True, "precision": "bfloat16"}, 1.0),
        ({"precision": "bfloat16"}, 1.0),
        ({}, 1.0),
    ],
)
def test_only_float16_has_its_loss_scaled(make_gpu_shim, settings, scale):
    shim, plain = make_gpu_shim(**settings), make_gpu_shim()
    # That of the vectors goes on to others.
    torch.testing.assert_close(train(shim), train(plain))
    found, expected = (one.network.scorer.bias.grad.clone() for one in (shim, plain))
    torch.testing.assert_close(found, expected * scale)


def test_gradients_of_several_batches_are_unscaled_once(make_gpu_shim):
    shim, plain = make_gpu_shim(mixed_precision=True), make_gpu_shim()
    for one in (shim, plain):
        for _ in range(3):
            train(one)
    torch.testing.assert_close(collect(shim), collect(plain))
    assert shim.overflows == 0


def test_a_step_of_the_bilstm_that_overflows_is_skipped_and_counted(make_gpu_shim):
    shim = make_gpu_shim(mixed_precision=True)
    before = shim.to_bytes()
    train(shim)
    # Finite still, but not when it is scaled.
    d_vectors = train(shim, d_loss=1e38)
    assert d_vectors.abs().max() == 0
    shim.finish_update(Adam(0.01))
    assert shim.overflows == 1
    assert shim.to_bytes() == before
    train(shim)
    shim.finish_update(Adam(0.01))
    assert shim.overflows == 1
    assert shim.to_bytes() != before
