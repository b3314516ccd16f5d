import numpy
import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import Adam, PyTorchWrapper

from spacy_bilstm_crf.losses import LossError
from spacy_bilstm_crf.training.weights import list_weights, require_finite_weights

MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 4,
    "depth": 1,
    "dropout": 0.1,
    "tok2vec": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 4},
}


def finish_update(nlp, optimizer):
    """As spaCy's loop does: those that listen to a component give it gradients first."""
    for name in nlp.pipe_names[1:]:
        nlp.get_pipe(name).finish_update(optimizer)


@pytest.fixture
def learn():
    """Make a pipeline of several components, and update it once."""

    def make_and_update():
        nlp = spacy.blank("zh")
        nlp.add_pipe("sentencizer")
        nlp.add_pipe("tok2vec")
        listener = {
            "@architectures": "spacy.Tok2VecListener.v1",
            "width": 96,
            "upstream": "*",
        }
        nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
        shared = {"model": {**MODEL, "tok2vec": listener}}
        nlp.add_pipe("bilstm_crf", name="shared", config=shared)
        nlp.add_pipe("ner", name="spacys")
        doc = nlp.make_doc("张伟在北京工作")
        examples = [Example.from_dict(doc, {"entities": [(0, 2, "PER")]})]
        optimizer = Adam(0.01)
        nlp.initialize(lambda: examples)
        nlp.update(examples, sgd=False)
        finish_update(nlp, optimizer)
        return nlp, optimizer

    return make_and_update


def test_everything_that_an_optimizer_updates_has_a_name(learn):
    nlp, optimizer = learn()
    weights = list_weights(nlp, [])
    assert {weight.key for weight in weights.values()} >= optimizer.nr_update.keys()
    assert len(optimizer.nr_update) > 20
    assert {name.split("/")[0] for name in weights} == {
        "tok2vec",
        "ner",
        "shared",
        "spacys",
    }


def test_names_are_the_same_for_every_pipeline_of_a_config_and_keys_are_not(learn):
    (one, _), (other, _) = learn(), learn()
    ours, theirs = list_weights(one, []), list_weights(other, [])
    assert list(ours) == list(theirs)
    assert not {w.key for w in ours.values()} & {w.key for w in theirs.values()}


def test_components_can_be_left_out(learn):
    names = list_weights(learn()[0], ["ner", "tok2vec"])
    assert {name.split("/")[0] for name in names} == {"shared", "spacys"}


def test_weights_can_be_read_and_written(learn):
    (one, _), (other, _) = learn(), learn()
    theirs = list_weights(other, [])
    for name, weight in list_weights(one, []).items():
        theirs[name].write(weight.read().copy())
    for name in ("tok2vec", "ner", "shared", "spacys"):
        ours = one.get_pipe(name).model.to_bytes()
        assert other.get_pipe(name).model.to_bytes() == ours


def test_gradients_of_zeros_are_seen_by_the_optimizer(learn):
    nlp, optimizer = learn()
    for weight in list_weights(nlp, []).values():
        if weight.key in optimizer.nr_update:
            weight.zero_grad()
    before = dict(optimizer.nr_update)
    finish_update(nlp, optimizer)
    assert optimizer.nr_update == {key: count + 1 for key, count in before.items()}


def test_buffers_and_numbers_that_numpy_does_not_have():
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 3)).bfloat16()
    nlp = spacy.blank("zh")
    nlp.add_pipe("tok2vec")
    nlp.get_pipe("tok2vec").model = PyTorchWrapper(module)
    weights = list_weights(nlp, [])
    count = weights["tok2vec/0/pytorch/0/0.num_batches_tracked"]
    assert count.read().shape == ()
    count.write(numpy.array(5))
    assert module[0].num_batches_tracked == 5
    linear = weights["tok2vec/0/pytorch/0/1.weight"]
    values = numpy.array([[0.5, 1.0], [2.0, -1.0], [3.0, 0.25]], dtype="float32")
    linear.write(values)
    assert module[1].weight.dtype == torch.bfloat16
    numpy.testing.assert_array_equal(linear.read(), values)


def test_the_scale_of_a_loss_in_16_bits_is_there(learn):
    nlp, _ = learn()
    weights = list_weights(nlp, [])
    scaler = nlp.get_pipe("ner").model.shims[0]._grad_scaler
    weights["ner/0/bilstm_crf/0/grad_scaler.scale"].write(numpy.array([8.0], "float32"))
    weights["ner/0/bilstm_crf/0/grad_scaler.growth_tracker"].write(
        numpy.array([7], "int32")
    )
    assert (scaler._scale.item(), scaler._growth_tracker.item()) == (8.0, 7)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_weights_that_are_no_numbers_are_named(learn, value):
    nlp, optimizer = learn()
    weights = list_weights(nlp, [])
    require_finite_weights(weights, optimizer)
    nlp.get_pipe("ner").model.layers[0].get_param("E")[1, 2] = value
    with pytest.raises(LossError, match="the weights ner/1/ngram_embed/E are infinite"):
        require_finite_weights(weights, optimizer)


def test_weights_that_are_not_updated_may_be_infinite(learn):
    nlp, optimizer = learn()
    nlp.get_pipe("ner").model.shims[0].network.register_buffer(
        "mask", torch.tensor([-torch.inf])
    )
    require_finite_weights(list_weights(nlp, []), optimizer)
