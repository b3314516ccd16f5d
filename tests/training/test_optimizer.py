import copy
import pickle

import numpy
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from spacy.training import Corpus, Example
from spacy.util import registry
from thinc.api import Adam as ThincsAdam
from thinc.api import Config, Model, PyTorchWrapper, warmup_linear
from torch import nn

from spacy_bilstm_crf.model.network import BiLSTMCRF
from spacy_bilstm_crf.model.shim import BiLSTMCRFShim
from spacy_bilstm_crf.training.checkpoint import find_checkpoint
from spacy_bilstm_crf.training.optimizer import GROUPS, Adam, get_group

# A name of each group.
NAMES = {
    "crf": "decoder.transitions",
    "classifier": "scorer.weight",
    "lstm": "bilstm.forwards.0.weight_ih_l0",
    "transformer": "encoder.layer.0.attention.self.query.weight",
    "other": "E",
}
RATE = 2e-5
STEPS = 200
OWN_RATES = {"crf": 500.0, "classifier": 50.0, "lstm": 20.0, "other": 5.0}
TRAIN = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
]
EMBEDDINGS = """
[ngrams]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 4

[lexicon]
@architectures = "spacy-bilstm-crf.LexiconEmbed.v1"
width = 4

[words]
@architectures = "spacy-bilstm-crf.WordEmbed.v1"
position_width = 2

[words.segmenter]
@misc = "spacy-bilstm-crf.SpanSegmenter.v1"

[words.embed]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 4

[tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 4
rows = [10]
attrs = ["NORM"]
include_static_vectors = true

[tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 4
depth = 1
window_size = 1
maxout_pieces = 2

[tagger]
@architectures = "spacy.Tagger.v2"
tok2vec = ${ngrams}
"""


def draw_arrays(seed=0, shape=(3, 4)):
    rng = numpy.random.default_rng(seed)
    return (rng.normal(size=shape).astype("float32") for _ in range(2))


def step(optimizer, name, seed=0, shape=(3, 4), **kwargs):
    """Update some weights once. RETURNS (Floats2d): By how much they have moved."""
    weights, gradient = draw_arrays(seed, shape)
    before = weights.copy()
    moved, _ = optimizer((0, name), weights, gradient, **kwargs)
    return moved - before


def use_own_rates(config):
    config["training"]["optimizer"]["@optimizers"] = "spacy-bilstm-crf.Adam.v1"
    config["training"]["optimizer"]["multiples"] = OWN_RATES
    config["training"]["optimizer"]["L2"] = 0.01


def make_pipeline():
    """RETURNS (Tuple): An untrained pipeline, its examples, and its network."""
    nlp = spacy.blank("zh")
    tok2vec = {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 4}
    model = {"hidden_width": 4, "dropout": 0.0, "tok2vec": tok2vec}
    ner = nlp.add_pipe("bilstm_crf", config={"model": model})
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in TRAIN
    ]
    torch.manual_seed(0)
    nlp.initialize(lambda: examples)
    return nlp, examples, shim_of(ner)


def shim_of(ner):
    shims = [shim for node in ner.model.walk() for shim in node.shims]
    (shim,) = (shim for shim in shims if isinstance(shim, BiLSTMCRFShim))
    return shim


def walk_parameters(nlp):
    """YIELDS (Tuple[str, Floats]): Each array that training changes, by its name."""
    for node in nlp.get_pipe("bilstm_crf").model.walk():
        for name in node.param_names:
            if node.has_param(name):
                yield name, node.get_param(name)
        for shim in node.shims:
            for name, parameter in shim.network.named_parameters():
                yield name, parameter.detach().numpy()


def farthest_moves(optimizer):
    """Train for some steps. RETURNS (Dict[str, float]): How far the weights of each group
    have moved that have moved most."""
    nlp, examples, _ = make_pipeline()
    before = [array.copy() for _, array in walk_parameters(nlp)]
    for _ in range(STEPS):
        nlp.update(examples, sgd=optimizer)
    moves = dict.fromkeys(GROUPS, 0.0)
    for (name, array), old in zip(walk_parameters(nlp), before, strict=True):
        group = get_group(name)
        moves[group] = max(moves[group], float(numpy.abs(array - old).max()))
    return moves


def test_each_part_moves_as_far_as_its_own_rate_says():
    moves = farthest_moves(Adam(RATE, multiples=OWN_RATES))
    for group, multiple in OWN_RATES.items():
        # About the rate in each step in which the gradient has the same sign.
        assert 0.5 < moves[group] / (RATE * multiple * STEPS) < 1.5, group


def test_at_the_rate_of_a_transformer_the_transitions_stay_where_they_are():
    # What the rates are for.
    assert farthest_moves(ThincsAdam(RATE))["crf"] < 0.005


@given(
    seed=st.integers(0, 100),
    name=st.sampled_from([name for group, name in NAMES.items() if group != "crf"]),
    settings=st.fixed_dictionaries(
        {
            "L2": st.sampled_from([0.0, 0.01, 1.0]),
            "L2_is_weight_decay": st.booleans(),
            "beta1": st.sampled_from([0.8, 0.9]),
            "beta2": st.sampled_from([0.99, 0.999]),
            "eps": st.sampled_from([1e-8, 1e-3]),
            "grad_clip": st.sampled_from([0.0, 1.0, 100.0]),
            "use_averages": st.booleans(),
        }
    ),
    lr_scale=st.sampled_from([1.0, 0.3]),
)
def test_with_multiples_of_one_it_is_thincs_adam(seed, name, settings, lr_scale):
    rates = [warmup_linear(0.01, 2, 9) for _ in range(2)]
    ours = Adam(rates[0], multiples=dict.fromkeys(GROUPS, 1.0), **settings)
    thincs = ThincsAdam(rates[1], **settings)
    one, _ = draw_arrays(seed)
    other = one.copy()
    for number in range(5):
        _, gradient = draw_arrays(seed + number)
        for optimizer, weights in ((ours, one), (thincs, other)):
            optimizer((0, name), weights, gradient.copy(), lr_scale=lr_scale)
            optimizer.step_schedules()
    numpy.testing.assert_array_equal(one, other)
    if not settings["use_averages"]:
        assert ours.averages is None
        return
    averages = (optimizer.averages[0, name] for optimizer in (ours, thincs))
    numpy.testing.assert_array_equal(*averages)


@given(
    multiples=st.dictionaries(st.sampled_from(GROUPS), st.floats(0.01, 1000.0)),
    lr_scale=st.sampled_from([1.0, 0.3]),
)
def test_each_group_moves_with_its_multiple(multiples, lr_scale):
    optimizer = Adam(1e-3, multiples=multiples)
    for group, name in NAMES.items():
        expected = step(
            ThincsAdam(1e-3), name, lr_scale=lr_scale * multiples.get(group, 1.0)
        )
        moved = step(optimizer, name, lr_scale=lr_scale)
        numpy.testing.assert_array_equal(moved, expected, err_msg=group)


@pytest.mark.parametrize("scale", [1.0, numpy.inf])
def test_a_group_of_zero_stays_as_it_is(scale):
    optimizer = Adam(0.1, L2=1.0, multiples={"transformer": 0.0})
    weights, gradient = draw_arrays()
    before = weights.copy()
    gradient *= scale
    optimizer((0, NAMES["transformer"]), weights, gradient)
    numpy.testing.assert_array_equal(weights, before)
    # Else it would be added to that of the next step.
    assert not gradient.any()
    assert not optimizer.mom1
    assert not optimizer.averages
    assert step(optimizer, NAMES["other"]).any()


@pytest.mark.parametrize("L2_is_weight_decay", [True, False])
@pytest.mark.parametrize(
    ("name", "shape", "decays"),
    [
        (NAMES["other"], (3, 4), True),
        (NAMES["classifier"], (3, 4), True),
        (NAMES["transformer"], (3, 4), True),
        ("scorer.bias", (4,), False),
        ("embeddings.LayerNorm.weight", (4,), False),
        ("decoder.transitions", (3, 3), False),
        ("decoder.start_transitions", (3,), False),
        ("b", (3, 2), False),
    ],
)
def test_biases_normalization_and_transitions_do_not_decay(
    name, shape, decays, L2_is_weight_decay
):
    settings = {"L2": 0.5, "L2_is_weight_decay": L2_is_weight_decay}
    optimizer = Adam(0.1, **settings)
    thincs = ThincsAdam(0.1, **(settings if decays else {}))
    for seed in range(3):
        numpy.testing.assert_array_equal(
            step(optimizer, name, seed, shape), step(thincs, name, seed, shape)
        )
    assert optimizer.L2 == 0.5


def test_what_decays_does_so_after_an_error_too():
    optimizer = Adam(0.1, L2=0.5)
    weights, gradient = draw_arrays(shape=(4,))
    with pytest.raises(ValueError, match="shape"):
        optimizer((0, "b"), weights, gradient[:3].copy())
    assert optimizer.L2 == 0.5


@pytest.mark.parametrize(
    ("multiples", "message"),
    [
        ({"crff": 500.0}, "multiples has crff = 500.0: it takes numbers of at least 0 for"),
        ({"lstm": 2.0, "crf": -1.0}, r"has crf = -1.0: .* crf, classifier, lstm, transf"),
        ({"crf": float("nan")}, "has crf = nan"),
        ({"crf": float("inf")}, "has crf = inf"),
    ],
)
def test_multiples_that_make_no_sense_are_refused(multiples, message):
    config = {"@optimizers": "spacy-bilstm-crf.Adam.v1", "multiples": multiples}
    with pytest.raises(ValueError, match=message):
        registry.resolve({"optimizer": config})


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_every_weight_of_the_network_has_its_group(decoder):
    network = BiLSTMCRF(width=3, hidden_width=2, depth=2, decoder=decoder, num_tags=5)
    of_parts = {"crf": network.decoder, "classifier": network.scorer}
    of_parts["lstm"] = network.bilstm
    groups = {id(p): g for g, part in of_parts.items() for p in part.parameters()}
    for name, parameter in network.named_parameters():
        assert get_group(name) == groups[id(parameter)], name
    assert len(groups) == len(list(network.parameters()))


def test_weights_of_thincs_layers_are_other():
    models = registry.resolve(Config().from_str(EMBEDDINGS))
    names = {
        name
        for model in models.values()
        if isinstance(model, Model)
        for node in model.walk()
        for name in node.param_names
    }
    assert {"E", "W", "b", "P"} <= names
    assert {get_group(name) for name in names} == {"other"}


def test_a_transformer_with_a_decoder_is_no_crf():
    assert get_group("decoder.layers.0.fc1.weight") == "transformer"
    assert get_group("decoder.embed_tokens.weight") == "transformer"


def test_it_reaches_the_weights_of_other_torch_modules():
    module = nn.Sequential()
    module.add_module("encoder", nn.Sequential(nn.Linear(2, 2)))
    weights = module.encoder[0].weight
    before = weights.detach().clone()
    model = PyTorchWrapper(module)
    optimizer = Adam(RATE, multiples={"transformer": 30.0})
    for _ in range(STEPS):
        Y, backprop = model.begin_update(numpy.ones((1, 2), "float32"))
        backprop(numpy.ones_like(Y))
        model.finish_update(optimizer)
    moved = before - weights.detach()
    expected = torch.full((2, 2), RATE * 30.0 * STEPS)
    torch.testing.assert_close(moved, expected, rtol=0.01, atol=0.0)


def test_averages_take_the_place_of_the_weights():
    nlp, examples, shim = make_pipeline()
    optimizer = Adam(0.1, multiples={"lstm": 0.0}, use_averages=True)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    raw = {name: p.detach().clone() for name, p in shim.network.named_parameters()}
    with nlp.use_params(optimizer.averages):
        for name, parameter in shim.network.named_parameters():
            frozen = get_group(name) == "lstm"
            assert torch.equal(parameter, raw[name]) == frozen, name


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda old: pickle.loads(pickle.dumps(old))]
)
def test_a_copy_goes_on_as_the_original_does(duplicate):
    optimizer = Adam(0.1, L2=0.1, multiples={"crf": 7.0})
    step(optimizer, NAMES["crf"])
    copied = duplicate(optimizer)
    moves = [step(one, NAMES["crf"], seed=1) for one in (optimizer, copied)]
    numpy.testing.assert_array_equal(*moves)


def test_a_saved_pipeline_goes_on_with_the_same_rates(make, corpus, tmp_path):
    make(change=use_own_rates).to_disk(tmp_path / "nlp")
    nlp = spacy.load(tmp_path / "nlp")
    optimizer = nlp.resume_training()
    assert isinstance(optimizer, Adam)
    assert optimizer.multiples == OWN_RATES
    optimizer.learn_rate = 1e-4
    transitions = shim_of(nlp.get_pipe("ner")).network.decoder.transitions
    before = transitions.detach().clone()
    nlp.update(list(Corpus(corpus, limit=5)(nlp)), sgd=optimizer)
    moved = (transitions.detach() - before).abs().max()
    assert float(moved) == pytest.approx(1e-4 * OWN_RATES["crf"], rel=0.01)


def test_resuming_gives_what_an_uninterrupted_training_does(run, tmp_path):
    run(tmp_path / "whole", change=use_own_rates)
    run(tmp_path / "parts", {"training.max_steps": 6}, change=use_own_rates)
    checkpoint = find_checkpoint(tmp_path / "parts", resume=True)
    run(tmp_path / "parts", change=use_own_rates, checkpoint=checkpoint)
    for kind in ("weights", "mom1", "mom2", "averages"):
        whole, parts = (
            load_file(tmp_path / output / "checkpoint" / f"{kind}.safetensors")
            for output in ("whole", "parts")
        )
        assert whole.keys() == parts.keys()
        for name, array in whole.items():
            numpy.testing.assert_array_equal(array, parts[name], err_msg=name)
