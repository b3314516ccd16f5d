import logging
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import torch
from spacy_transformers.data_classes import HFObjects
from thinc.api import Adam
from thinc.types import ArgsKwargs

from spacy_bilstm_crf.model import transformer_shim
from spacy_bilstm_crf.model.transformer import PRECISIONS
from spacy_bilstm_crf.model.transformer_shim import TransformerShim

IDS = torch.tensor([[2, 7, 8, 9, 3], [2, 10, 3, 0, 0]])
INPUTS = ArgsKwargs(args=(), kwargs={"input_ids": IDS, "attention_mask": (IDS > 0).float()})
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture
def make_shim(make_objects):
    def make(precision="float32", **config):
        # It takes the module when the model that it belongs to is initialized.
        objects = make_objects("bert", **config)
        shim = TransformerShim(HFObjects(None, None, None), precision)
        shim._hfmodel, shim._model = objects, objects.transformer
        return shim

    return make


@pytest.fixture
def gpu(monkeypatch, passes):
    device = torch.device("cuda")
    monkeypatch.setattr(transformer_shim, "get_torch_default_device", lambda: device)
    monkeypatch.setattr(TransformerShim, "device", device)
    return passes


def train(shim, d_output=1.0, times=1):
    """Run it forward and backward, several times before a step."""
    for _ in range(times):
        output, backprop = shim(INPUTS, True)
        vectors = output.last_hidden_state.float()
        weights = torch.linspace(-1.0, 1.0, vectors.numel()).reshape(vectors.shape)
        d_vectors = {"grad_tensors": weights * d_output}
        backprop(ArgsKwargs(args=(vectors,), kwargs=d_vectors))


def predict(shim):
    return shim.predict(INPUTS).last_hidden_state


def weights_of(shim):
    return {name: value.clone() for name, value in shim._model.state_dict().items()}


def assert_equal(ones, others):
    assert ones.keys() == others.keys()
    assert all(torch.equal(value, others[name]) for name, value in ones.items())


def collect(gradients):
    def step(key, weights, gradient):
        gradients[key] = gradient
        return weights, gradient

    return step


def watch(shim):
    """RETURNS (List): What the linear layers compute in."""
    seen = []
    layer = shim._model.encoder.layer[0].output.dense
    layer.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    return seen


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_precision_on_a_cpu(make_shim, monkeypatch, caplog, precision, supported):
    monkeypatch.setattr(transformer_shim, "cpu_has_bfloat16", lambda: supported)
    with caplog.at_level(logging.INFO, logger="spacy"):
        shim = make_shim(precision)
    reduced = precision == "bfloat16" and supported
    seen = watch(shim)
    predict(shim)
    train(shim)
    assert seen == [torch.bfloat16 if reduced else torch.float32] * 2
    assert {p.dtype for p in shim._model.parameters()} == {torch.float32}
    expected = [
        f'precision = "{precision}": this processor has no instructions for it, so the '
        "transformer computes in float32"
    ]
    found = [record.getMessage() for record in caplog.records]
    assert found == ([] if reduced or precision == "float32" else expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precision_on_a_gpu(make_shim, gpu, caplog, precision):
    with caplog.at_level(logging.INFO, logger="spacy"):
        shim = make_shim(precision)
    assert caplog.text == ""
    predict(shim)
    train(shim)
    dtype = getattr(torch, precision)
    assert gpu == [("cuda", dtype, precision != "float32")] * 2


@pytest.mark.parametrize("precision", PRECISIONS)
def test_only_float16_has_its_loss_scaled(make_shim, gpu, precision):
    shim = make_shim(precision, **NO_DROPOUT)
    train(shim)
    scaled = shim._model.encoder.layer[0].output.dense.bias.grad.clone()
    plain = make_shim(**NO_DROPOUT)
    train(plain)
    expected = plain._model.encoder.layer[0].output.dense.bias.grad
    factor = 2.0**16 if precision == "float16" else 1.0
    torch.testing.assert_close(scaled, expected * factor)


def test_gradients_are_unscaled_once_per_step(make_shim, gpu):
    found, expected = {}, {}
    shim, plain = make_shim("float16", **NO_DROPOUT), make_shim(**NO_DROPOUT)
    for one, gradients in ((shim, found), (plain, expected)):
        train(one, times=3)
        one.finish_update(collect(gradients))
    assert [name for _, name in found] == [name for _, name in expected]
    for ones, others in zip(found.values(), expected.values(), strict=True):
        numpy.testing.assert_allclose(ones, others, rtol=1e-4, atol=1e-4)
    assert shim.overflows == 0


def test_a_step_that_overflows_is_skipped_and_counted(make_shim, gpu, caplog):
    shim = make_shim("float16", **NO_DROPOUT)
    before = weights_of(shim)
    optimizer = Adam(0.01)
    with caplog.at_level(logging.INFO, logger="spacy"):
        for number in (1, 2):
            train(shim)
            # Finite still, but not when it is scaled.
            train(shim, d_output=1e38)
            shim.finish_update(optimizer)
            assert shim.overflows == number
            assert_equal(weights_of(shim), before)
    assert [record.getMessage() for record in caplog.records] == [
        "gradients overflow in float16: this step does not change the BertModel "
        f"({number} by now; the loss will be scaled less)"
        for number in (1, 2)
    ]
    train(shim)
    shim.finish_update(optimizer)
    assert shim.overflows == 2
    after = weights_of(shim)
    assert not torch.equal(
        after["embeddings.LayerNorm.weight"], before["embeddings.LayerNorm.weight"]
    )


def test_gradients_that_are_handed_out_last(make_shim):
    # `Language.rehearse` keeps them for later.
    shim = make_shim()
    train(shim)
    gradients = {}
    shim.finish_update(collect(gradients))
    assert {shim_id for shim_id, _ in gradients} == {shim.id}
    assert all(abs(gradient).sum() > 0 for gradient in gradients.values())
    # And the next step begins with none.
    again = {}
    shim.finish_update(collect(again))
    assert all(abs(gradient).sum() == 0 for gradient in again.values())


def test_it_is_in_training_mode_only_while_it_trains(make_shim, monkeypatch):
    shim = make_shim()
    modes = []
    shim._model.register_forward_hook(lambda module, *args: modes.append(module.training))
    predict(shim)
    train(shim)
    predict(shim)
    assert modes == [False, True, False]
    assert not any(module.training for module in shim._model.modules())
    with pytest.raises(TypeError):
        shim(ArgsKwargs(args=(), kwargs={"no_such_input": 1}), True)
    assert not any(module.training for module in shim._model.modules())


def test_gradient_checkpointing_gives_the_same_gradients(make_shim):
    gradients = []
    for checkpointing in (False, True):
        shim = make_shim()
        if checkpointing:
            shim._model.gradient_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(0)
        train(shim)
        gradients.append([p.grad for p in shim._model.parameters() if p.grad is not None])
    assert any(grad.any() for grad in gradients[0])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


def test_dropout_is_for_training(make_shim):
    shim = make_shim()
    assert torch.equal(predict(shim), predict(shim))
    ones, others = (shim(INPUTS, True)[0].last_hidden_state for _ in range(2))
    assert not torch.equal(ones, others)
    assert not torch.equal(ones, predict(shim))


def test_eight_threads_predict_what_one_predicts(make_shim):
    shim = make_shim()
    expected = predict(shim)
    with ThreadPoolExecutor(8) as threads:
        for vectors in threads.map(lambda _: predict(shim), range(200)):
            torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-5)


def test_averages_replace_the_weights_for_a_while(make_shim):
    shim = make_shim()
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(3):
        train(shim)
        shim.finish_update(optimizer)
    raw, vectors = weights_of(shim), predict(shim)
    with shim.use_params(optimizer.averages):
        for name, parameter in shim._model.named_parameters():
            if (shim.id, name) in optimizer.averages:
                average = optimizer.averages[shim.id, name]
                numpy.testing.assert_array_equal(parameter.detach().numpy(), average)
        assert not torch.equal(predict(shim), vectors)
    assert_equal(weights_of(shim), raw)


def test_a_copy_has_weights_and_an_id_of_its_own(make_shim):
    shim = make_shim()
    before = weights_of(shim)
    copied = shim.copy()
    assert copied.id != shim.id
    assert copied.copy().id not in (copied.id, shim.id)
    assert copied._hfmodel.transformer is copied._model
    train(copied)
    copied.finish_update(Adam(0.01))
    assert_equal(weights_of(shim), before)
    assert not torch.equal(predict(copied), predict(shim))


def reload(shim):
    return TransformerShim(HFObjects(None, None, None)).from_bytes(shim.to_bytes())


@pytest.mark.parametrize(
    "again", [reload, lambda shim: pickle.loads(pickle.dumps(shim)), TransformerShim.copy]
)
def test_what_comes_again_predicts_the_same(make_shim, again):
    shim = make_shim()
    other = again(shim)
    assert torch.equal(predict(other), predict(shim))
    assert_equal(weights_of(other), weights_of(shim))
    assert not any(module.training for module in other._model.modules())
    assert other._hfmodel.transformer is other._model
    ones, others = (one._hfmodel.tokenizer.get_vocab() for one in (other, shim))
    assert ones == others


def test_bytes_of_a_shim_without_a_module():
    empty = HFObjects(
        None, None, None, {"use_fast": True}, {"attn_implementation": "eager"}
    )
    loaded = reload(TransformerShim(empty))
    assert loaded._model is None
    assert loaded._hfmodel == empty
    with loaded.use_params({}):
        pass
