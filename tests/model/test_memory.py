import logging
import re
import weakref

import pytest
import torch
from thinc.types import ArgsKwargs

from spacy_bilstm_crf.model.memory import is_out_of_memory
from spacy_bilstm_crf.model.network import BiLSTMCRF
from spacy_bilstm_crf.model.shim import BiLSTMCRFShim

SETTINGS = {"width": 3, "hidden_width": 4, "depth": 1, "decoder": "crf", "num_tags": 5}
ERRORS = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
    MemoryError("Unable to allocate 1.00 TiB for an array"),
]


@pytest.fixture
def learned():
    """Update a network, which runs out of memory in some of its calls. RETURNS (Tuple):
    Losses, and the gradients of the vectors and of all weights."""

    def learn(fail_forward=(), fail_backward=(), error=ERRORS[0], columns=5, **settings):
        torch.manual_seed(0)
        shim = BiLSTMCRFShim(**settings)
        shim.build(dict(SETTINGS))
        generator = torch.Generator().manual_seed(0)
        vectors = torch.randn(6, columns, 3, generator=generator).requires_grad_()
        lengths = torch.tensor([6, 5, 5, 2, 1])[:columns]
        allowed = torch.rand(6, columns, 5, generator=generator) < 0.5
        allowed[..., 0] = True
        teacher = BiLSTMCRF(**SETTINGS) if settings == {"adversarial_norm": 0.1} else None
        incorrect = torch.tensor([[0, 1, 2, 0], [2, 0, 1, 0], [3, 0, 2, 0]])
        kwargs = {"loss": True, "incorrect": incorrect[incorrect[:, 0] < columns]}
        if teacher is not None:
            kwargs = {"loss": True, "teacher": (teacher, vectors.detach() * 2)}
        # What an earlier batch has found stays.
        for parameter in shim.network.parameters():
            parameter.grad = torch.ones_like(parameter)
        count_calls(shim, "_forward", fail_forward, error)
        count_calls(shim, "_backward", fail_backward, error)
        inputs = ArgsKwargs(args=(vectors, lengths, allowed), kwargs=kwargs)
        losses, backprop = shim.begin_update(inputs)
        values = losses.detach().clone()
        d_losses = torch.arange(1.0, 1.0 + columns)
        d_vectors = backprop(ArgsKwargs(args=(losses,), kwargs={"grad_tensors": d_losses}))
        gradients = [parameter.grad for parameter in shim.network.parameters()]
        return [values, d_vectors.args[0], *gradients]

    return learn


def count_calls(shim, name, failing, error):
    method, count = getattr(shim, name), 0

    def call(*args):
        nonlocal count
        count += 1
        # Half of the work is done when it fails.
        result = method(*args)
        if count in failing:
            # Errors that are kept keep their frames.
            raise type(error)(*error.args)
        return result

    setattr(shim, name, call)


def assert_close(ones, others):
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_that_mean_a_lack_of_memory(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


# With an adversarial pass, each half is run forward and backward twice.
@pytest.mark.parametrize(
    "settings", [{}, {"adversarial_norm": 0.5}, {"adversarial_norm": 0.1}]
)
@pytest.mark.parametrize("fails", [{"fail_forward": [1]}, {"fail_backward": [1]}])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_batch_is_split_once_and_gives_the_same_gradients(
    learned, settings, fails, error, caplog
):
    whole = learned(**settings)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        halves = learned(**fails, error=error, **settings)
    assert_close(whole, halves)
    assert [record.message for record in caplog.records] == [
        "Out of memory on 5 texts of up to 6 tokens: trying again in two halves"
    ]


def test_the_second_pass_may_fail_after_the_first_has_found_its_gradient(learned):
    whole = learned(adversarial_norm=0.5)
    for fails in ({"fail_backward": [2]}, {"fail_forward": [2]}):
        assert_close(whole, learned(**fails, adversarial_norm=0.5))


def test_halves_that_are_too_much_as_well_are_an_error_that_says_what_to_do(learned):
    message = r"out of memory on 5 texts of up to 6 tokens, and on half of them: make batch"
    for fails in (
        {"fail_forward": [1, 3]},
        {"fail_backward": [1, 2]},
        {"fail_backward": [1, 3]},
        {"fail_forward": [1], "fail_backward": [1]},
    ):
        with pytest.raises(MemoryError, match=message):
            learned(**fails)


@pytest.mark.parametrize("fails", [{"fail_forward": [1]}, {"fail_backward": [1]}])
def test_one_text_cannot_be_split(learned, fails):
    with pytest.raises(
        MemoryError, match="out of memory on a text of 6 tokens: make batches"
    ):
        learned(**fails, columns=1)


@pytest.mark.parametrize("fails", [{"fail_forward": [1]}, {"fail_backward": [1]}])
def test_other_errors_are_not_met(learned, fails):
    error = RuntimeError("shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match=re.escape(str(error))):
        learned(**fails, error=error)


def test_what_a_failed_forward_pass_held_is_free_before_the_halves_run(
    learned, monkeypatch
):
    held = []
    forward = BiLSTMCRFShim._forward

    def watch(self, batch):
        assert [one() for one in held[:1]] in ([], [None])
        losses = forward(self, batch)
        held.append(weakref.ref(losses))
        return losses

    monkeypatch.setattr(BiLSTMCRFShim, "_forward", watch)
    learned(fail_forward=[1])
    assert len(held) == 5


def test_what_a_failed_backward_pass_held_is_free_before_the_halves_run(
    learned, monkeypatch
):
    kept = []
    backward = BiLSTMCRFShim._backward

    def watch(self, losses, vectors, d_losses):
        # The caller has the losses still.
        assert all(one.grad_fn is None for one in kept[:1])
        kept.append(losses)
        return backward(self, losses, vectors, d_losses)

    monkeypatch.setattr(BiLSTMCRFShim, "_backward", watch)
    learned(fail_backward=[1])
    assert len(kept) == 3
