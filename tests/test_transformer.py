"""Pipelines with a transformer: what they predict, and who learns what."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import spacy
import torch
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import Adam, fix_random_seed

from spacy_bilstm_crf import listeners

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = ("bert_bilstm_crf", "bert_crf")
# Pieces of texts: a line break, a wide space, and what the transformer has never seen.
PARTS = ["张伟", "在北京", "好", " ", "\n", "\u3000", "2017", "公司", "。", "😀"]
DATA = [
    ("张伟在北京", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("好", []),
    ("", []),
    ("张伟 2017年在北京好\n公司", [(0, 2, "PER"), (9, 11, "LOC")]),
]
WITHOUT_DROPOUT = {
    "components.transformer.model.transformer_config": {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
    "components.ner.model.dropout": 0.0,
}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def make(bert):
    """Make a pipeline of a shipped config, with settings of its own."""

    def make_nlp(name="bert_crf", settings=None, change=None, data=DATA):
        small = {"paths.transformer": str(bert), "components.ner.model.hidden_width": 8}
        config = load_config(CONFIGS / f"{name}.cfg", {**small, **(settings or {})})
        if change is not None:
            change(config)
        fix_random_seed(0)
        # These tests look at the vectors.
        nlp = load_model_from_config(config, auto_fill=True, exclude=["doc_cleaner"])
        nlp.initialize(lambda: make_examples(nlp, data))
        return nlp

    return make_nlp


@pytest.fixture(scope="module", params=NAMES)
def saved(request, make, tmp_path_factory):
    """The folder of a pipeline of each config that has learned a little."""
    nlp = make(request.param)
    train(nlp, 30)
    folder = tmp_path_factory.mktemp("saved")
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def nlp(saved):
    return spacy.load(saved)


def make_examples(nlp, data=DATA):
    docs = [nlp.make_doc(text) for text, _ in data]
    return [
        Example.from_dict(doc, {"entities": ents, "tags": [token.text for token in doc]})
        for doc, (_, ents) in zip(docs, data, strict=True)
    ]


def train(nlp, steps, data=DATA, optimizer=None):
    optimizer = optimizer or Adam(0.005)
    for _ in range(steps):
        losses = step(nlp, make_examples(nlp, data), optimizer)
    return losses


def step(nlp, examples, optimizer):
    """Learn in the order of `spacy train`: with an optimizer, `Language.update` steps the
    transformer before its listeners have run backward."""
    losses = {}
    nlp.update(examples, sgd=False, losses=losses)
    for _, pipe in nlp.pipeline:
        pipe.finish_update(optimizer)
    return losses


def ents_of(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def find(nlp, texts):
    return [ents_of(doc) for doc in nlp.pipe(texts)]


def marginals(nlp, texts):
    return nlp.get_pipe("ner").tag_marginals(nlp.pipe(texts))


def weights_of(nlp, name):
    """RETURNS (Dict[str, Tensor]): Copies of all weights in torch modules of a component
    that are used: the transformer's pooler is not."""
    return {
        f"{number}/{weight}": parameter.detach().clone()
        for number, node in enumerate(nlp.get_pipe(name).model.walk())
        for shim in node.shims
        for weight, parameter in shim._model.named_parameters()
        if not weight.startswith("pooler.")
    }


def list_changed(before, after):
    return [name for name in before if not torch.equal(before[name], after[name])]


def make_texts(number):
    rng = random.Random(0)
    return ["", *("".join(rng.choices(PARTS, k=rng.randint(0, 9))) for _ in range(number))]


def test_batches_find_what_one_by_one_finds(nlp):
    texts = make_texts(60)
    expected = [ents_of(nlp(text)) for text in texts]
    assert len({str(ents) for ents in expected}) > 10
    for size in (2, 64):
        found = [ents_of(doc) for doc in nlp.pipe(texts, batch_size=size)]
        assert found == expected


def test_eight_threads_find_what_one_finds_while_the_pipeline_is_saved(nlp):
    texts = make_texts(150)
    expected = find(nlp, texts)
    over = threading.Event()

    def save():
        while not over.wait(0.01):
            nlp.to_bytes()

    with ThreadPoolExecutor(9) as pool:
        saving = pool.submit(save)
        try:
            assert list(pool.map(lambda text: ents_of(nlp(text)), texts)) == expected
        finally:
            over.set()
        saving.result()


def test_texts_without_tokens_and_of_whitespace(nlp):
    assert find(nlp, ["", ""]) == [[], []]
    for text in ("", " ", "\n", "\u3000\u200b\n"):
        assert ents_of(nlp(text)) == []


def test_confidence_and_alternatives(saved):
    nlp = spacy.load(saved, config={"components.ner.spans_key": "sc"})
    doc = nlp("张伟在北京")
    [(best, *_)] = nlp.get_pipe("ner").alternatives([doc])
    assert best.ents == ents_of(doc) == [(0, 2, "PER"), (3, 5, "LOC")]
    assert all(doc.spans["sc"].attrs["scores"] >= best.probability - 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_part_learns(make, name):
    nlp = make(name)
    before = [weights_of(nlp, pipe) for pipe in nlp.pipe_names]
    first = train(nlp, 1)["ner"]
    for pipe, weights in zip(nlp.pipe_names, before, strict=True):
        assert list_changed(weights, weights_of(nlp, pipe)) == list(weights)
    assert train(nlp, 20)["ner"] < first / 4


def test_batches_without_tokens_teach_nothing(nlp):
    before = [weights_of(nlp, pipe) for pipe in nlp.pipe_names]
    for data in ([("", [])], [("", []), ("", [])]):
        assert train(nlp, 1, data)["ner"] == 0.0
    for pipe, weights in zip(nlp.pipe_names, before, strict=True):
        assert not list_changed(weights, weights_of(nlp, pipe))


def test_texts_without_tokens_do_not_disturb_others(make):
    found = []
    for data in ([DATA[0], DATA[3]], [("", []), DATA[0], ("", []), DATA[3], ("", [])]):
        nlp = make(settings=WITHOUT_DROPOUT)
        losses = train(nlp, 3, data)
        found.append((losses["ner"], weights_of(nlp, "transformer")))
    assert found[0][0] == pytest.approx(found[1][0])
    for name, weights in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], weights, msg=name)


def test_a_frozen_transformer_that_annotates(nlp):
    before = [weights_of(nlp, pipe) for pipe in nlp.pipe_names]
    optimizer = Adam(0.001)
    for _ in range(3):
        examples = make_examples(nlp)
        names = ["transformer"]
        nlp.update(examples, sgd=optimizer, exclude=names, annotates=names)
    assert not list_changed(before[0], weights_of(nlp, "transformer"))
    assert list_changed(before[1], weights_of(nlp, "ner")) == list(before[1])


@pytest.mark.parametrize(("factor", "moves"), [(0.0, False), (0.5, True)])
def test_gradients_are_multiplied_with_the_listeners_factor(make, factor, moves):
    nlp = make(settings={"components.ner.model.tok2vec.grad_factor": factor})
    before = weights_of(nlp, "transformer")
    train(nlp, 2)
    assert bool(list_changed(before, weights_of(nlp, "transformer"))) == moves


def test_a_copy_of_the_transformer_in_the_place_of_a_listener(nlp, tmp_path):
    texts = make_texts(20)
    expected = marginals(nlp, texts)
    nlp.replace_listeners("transformer", "ner", ["model.tok2vec"])
    tok2vec = nlp.config["components"]["ner"]["model"]["tok2vec"]
    assert tok2vec["@architectures"] == "spacy-bilstm-crf.Tok2VecTransformer.v1"
    nlp.to_disk(tmp_path)
    # It needs the shared one no more.
    for pipeline in (nlp, spacy.load(tmp_path, exclude=["transformer"])):
        for found, wanted in zip(marginals(pipeline, texts), expected, strict=True):
            numpy.testing.assert_allclose(found, wanted, atol=1e-5)


def test_training_goes_on_with_the_copy_alone(nlp):
    nlp.replace_listeners("transformer", "ner", ["model.tok2vec"])
    before = [weights_of(nlp, pipe) for pipe in nlp.pipe_names]
    train(nlp, 1)
    assert not list_changed(before[0], weights_of(nlp, "transformer"))
    assert list_changed(before[1], weights_of(nlp, "ner")) == list(before[1])


def test_copies_learn_apart(make):
    nlp = make(change=use_two_components)
    for name in ("ner", "other"):
        nlp.replace_listeners("transformer", name, ["model.tok2vec"])
    optimizer = Adam(0.001)
    train(nlp, 1, optimizer=optimizer)
    weights = [*weights_of(nlp, "ner"), *weights_of(nlp, "other")]
    assert len(optimizer.mom1) == len(weights) > 60
    assert set(optimizer.nr_update.values()) == {1}


def use_two_components(config):
    config["components"]["other"] = config["components"]["ner"].copy()
    config["nlp"]["pipeline"] = ["transformer", "ner", "other"]


def test_rehearsal_needs_a_copy(nlp):
    nlp.resume_training()
    with pytest.raises(ValueError, match=r"'ner' cannot rehearse.*replace_listeners"):
        nlp.rehearse(make_examples(nlp))
    nlp.replace_listeners("transformer", "ner", ["model.tok2vec"])
    nlp.resume_training()
    train(nlp, 2)
    assert nlp.rehearse(make_examples(nlp))["ner"] > 0.0


def test_a_transformer_of_the_components_own(make, tmp_path):
    nlp = make(change=use_own_transformer)
    assert nlp.pipe_names == ["ner"]
    train(nlp, 30)
    texts = ["张伟在北京", "", "公司 2017\n"]
    expected = marginals(nlp, texts)
    assert find(nlp, texts)[0] == [(0, 2, "PER"), (3, 5, "LOC")]
    nlp.to_disk(tmp_path)
    again = make(change=use_own_transformer)
    again.get_pipe("ner").from_bytes(nlp.get_pipe("ner").to_bytes())
    for pipeline in (spacy.load(tmp_path), again):
        for found, wanted in zip(marginals(pipeline, texts), expected, strict=True):
            numpy.testing.assert_array_equal(found, wanted)
    model = tmp_path / "ner" / "model"
    model.write_bytes(model.read_bytes()[:-100])
    with pytest.raises(ValueError, match="model has changed since it was saved"):
        spacy.load(tmp_path)


def use_own_transformer(config):
    slot = config["components"]["ner"]["model"]
    shared = config["components"].pop("transformer")["model"]
    pooling = slot["tok2vec"]["pooling"]
    name = "spacy-bilstm-crf.Tok2VecTransformer.v1"
    slot["tok2vec"] = {**shared, "@architectures": name, "pooling": pooling}
    config["nlp"]["pipeline"] = ["ner"]


def test_a_shared_transformer_gets_the_sum_of_both_gradients(make):
    nlp = make(settings=WITHOUT_DROPOUT, change=share_with_tagger)
    # The tagger starts from zeros, which give no gradient.
    train(nlp, 1)
    shared = nlp.get_pipe("transformer")
    module = shared.model.layers[0].shims[0]._model
    listeners = shared.listener_map

    def find_gradients(*names):
        shared.listener_map = {name: listeners[name] for name in names}
        with nlp.select_pipes(enable=["transformer", *names]):
            nlp.update(make_examples(nlp), sgd=False)
        pairs = list(module.named_parameters())
        found = {n: p.grad.clone() for n, p in pairs if p.grad is not None}
        module.zero_grad()
        return found

    both = find_gradients("ner", "tagger")
    alone = find_gradients("ner"), find_gradients("tagger")
    assert min(max(g.abs().max() for g in grads.values()) for grads in alone) > 0.01
    for name, gradient in both.items():
        total = alone[0][name] + alone[1][name]
        torch.testing.assert_close(gradient, total, atol=1e-5, rtol=1e-4, msg=name)


def share_with_tagger(config):
    listener = config["components"]["ner"]["model"]["tok2vec"]
    tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}
    config["components"]["tagger"] = {"factory": "tagger", "model": tagger}
    config["nlp"]["pipeline"] = ["transformer", "ner", "tagger"]


def test_averages_take_the_place_of_the_weights_for_a_while(nlp, tmp_path):
    optimizer = Adam(0.005, use_averages=True)
    train(nlp, 3, optimizer=optimizer)
    before = weights_of(nlp, "transformer")
    with nlp.use_params(optimizer.averages):
        averages = weights_of(nlp, "transformer")
        assert list_changed(before, averages) == list(before)
        nlp.to_disk(tmp_path)
    assert not list_changed(before, weights_of(nlp, "transformer"))
    assert not list_changed(averages, weights_of(spacy.load(tmp_path), "transformer"))


def test_overlapping_windows_find_what_one_long_window_finds(make, tmp_path):
    # What an "a" is depends on where it stands: what windows begin with looks like the
    # beginning of the text.
    rng = random.Random(0)
    window = "components.transformer.model.get_spans"
    settings = {**WITHOUT_DROPOUT, f"{window}.window": 400, f"{window}.stride": 400}
    nlp = make(settings=settings, data=[("a张1", [(0, 1, "LOC"), (1, 3, "PER")])])
    optimizer = Adam(0.005)
    for _ in range(80):
        data = [make_long_text(rng, rng.choice((8, 100, 350))) for _ in range(4)]
        step(nlp, make_examples(nlp, data), optimizer)
    nlp.to_disk(tmp_path)
    data = [make_long_text(rng, rng.randint(300, 398)) for _ in range(12)]
    texts, gold = map(list, zip(*data, strict=True))
    expected = marginals(nlp, texts)
    assert find(nlp, texts) == gold

    def find_in_windows(size, stride, overlap):
        sizes = {f"{window}.window": size, f"{window}.stride": stride}
        kind = {"components.transformer.model.overlap": overlap}
        pipeline = spacy.load(tmp_path, config={**sizes, **kind})
        return find(pipeline, texts), marginals(pipeline, texts)

    probabilities = []
    for size, stride, overlap, tolerance in (
        (510, 510, "context", 0.0),
        (128, 96, "context", 0.2),
        (128, 96, "mean", 0.2),
    ):
        entities, found = find_in_windows(size, stride, overlap)
        assert entities == gold
        for one, other in zip(found, expected, strict=True):
            numpy.testing.assert_allclose(one, other, atol=tolerance)
        probabilities.append(numpy.concatenate(found))
    assert (probabilities[1] != probabilities[2]).any()
    # Without an overlap it can be told where windows begin.
    entities, _ = find_in_windows(128, 128, "context")
    assert entities != gold


def make_long_text(rng, length):
    """RETURNS (Tuple[str, List]): A text in which a surname with a digit is an entity, and
    an "a" if the text begins with it."""
    text = "".join(rng.choices("abc12张", k=length))
    ents = [(0, 1, "LOC")] if text[0] == "a" else []
    pairs = (i for i in range(length - 1) if text[i] == "张" and text[i + 1] in "12")
    return text, ents + [(i, i + 2, "PER") for i in pairs]


def test_a_doc_that_the_transformer_has_not_seen_is_an_error(nlp, monkeypatch):
    ner = nlp.get_pipe("ner")
    unseen = [nlp.make_doc(""), nlp.make_doc("张伟在北京")]
    for ask in (ner.predict, ner.tag_marginals, ner.alternatives):
        with pytest.raises(ValueError, match="for '张伟在北京', and finds none"):
            ask(unseen)
    with (
        nlp.select_pipes(disable="transformer"),
        pytest.raises(ValueError, match="finds none"),
    ):
        nlp("张伟在北京")
    assert nlp("张伟在北京")
    # As in a process that has made no transformer.
    monkeypatch.setattr(listeners, "Doc", SimpleNamespace(has_extension=lambda name: False))
    with pytest.raises(ValueError, match="finds none"):
        ner.predict(unseen)
