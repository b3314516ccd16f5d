"""More labels, more training, rehearsal, and other pipelines' components."""

import itertools
import random
import re
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.cli.train import train as train_by_config
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Adam, RAdam, fix_random_seed

from spacy_bilstm_crf.labels import create_add_labels
from spacy_bilstm_crf.model import architecture, batches

ROOT = Path(__file__).parents[1]
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 24,
    "depth": 1,
    "dropout": 0.1,
    "tok2vec": {
        "@architectures": "spacy-bilstm-crf.NgramEmbed.v1",
        "width": 16,
        "dropout": [0.0, 0.0],
        "singleton_dropout": 0.0,
    },
}
MULTI_HASH_EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 32,
    "rows": [200, 200],
    "attrs": ["NORM", "SHAPE"],
    "include_static_vectors": False,
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
TRAIN = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("", []),
    ("他去了南京大学读书", [(3, 7, "ORG")]),
    (
        "北京人张伟和上海人李娜",
        [(0, 2, "LOC"), (3, 5, "PER"), (6, 8, "LOC"), (9, 11, "PER")],
    ),
]
# "ORG" stands between the other two: its tags shift those of "PER".
NEW = "ORG"
OLD_TRAIN = [(text, [ent for ent in ents if ent[2] != NEW]) for text, ents in TRAIN]


def make_nlp(tok2vec=None, **model):
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    config = {**MODEL, **model}
    if tok2vec is not None:
        config["tok2vec"] = tok2vec
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": config})
    return nlp


def make_examples(nlp, data=TRAIN):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data
    ]


def train(nlp, data=TRAIN, steps=60):
    examples = make_examples(nlp, data)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    go_on(nlp, optimizer, data, steps)


def go_on(nlp, optimizer, data=TRAIN, steps=40):
    examples = make_examples(nlp, data)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)


def ents_of(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def mixed_texts():
    rng = random.Random(0)
    words = ["张伟", "李娜", "北京", "上海", "南京大学", "住在", "工作", " ", "龘", "好"]
    return ["".join(rng.choices(words, k=n)) for n in [0, 1, 2, 3, 30, 100] * 4]


@pytest.fixture(scope="module")
def without_new():
    nlp = make_nlp()
    train(nlp, OLD_TRAIN)
    assert nlp.get_pipe("ner").labels == ("LOC", "PER")
    return nlp.to_bytes()


@pytest.fixture(params=["crf", "softmax"])
def decoder(request):
    return request.param


@pytest.fixture
def nlp(without_new):
    return make_nlp().from_bytes(without_new)


def network_of(nlp):
    return nlp.get_pipe("ner").model.shims[0].network


def state_of(nlp):
    return {name: value.clone() for name, value in network_of(nlp).state_dict().items()}


def probabilities(nlp, texts):
    ner = nlp.get_pipe("ner")
    ner.threshold = 1e-9
    predictions = ner.predict([nlp.make_doc(text) for text in texts])
    ner.threshold = 0.0
    return numpy.concatenate(predictions)[:, 1]


def test_a_new_label_changes_no_prediction(decoder):
    nlp = make_nlp(decoder=decoder)
    train(nlp, OLD_TRAIN, steps=20)
    texts = mixed_texts()
    before = [ents_of(nlp(text)) for text in texts]
    assert sum(map(len, before)) > 100
    for label in ("A", NEW, "Z"):
        assert nlp.get_pipe("ner").add_label(label) == 1
        assert [ents_of(nlp(text)) for text in texts] == before


def test_a_new_label_hardly_changes_confidence(nlp):
    texts = [text for text, _ in TRAIN]
    before = probabilities(nlp, texts)
    nlp.get_pipe("ner").add_label(NEW)
    after = probabilities(nlp, texts)
    assert (after <= before + 1e-5).all()
    assert (after > before - 0.2).all()


def test_a_label_that_is_there_changes_nothing(nlp):
    before = nlp.to_bytes()
    assert nlp.get_pipe("ner").add_label("PER") == 0
    assert nlp.to_bytes() == before


def test_labels_in_any_order_give_what_initialization_with_all_would_lay_out(without_new):
    grown = []
    for order in itertools.permutations(("A", NEW, "Z")):
        nlp = make_nlp().from_bytes(without_new)
        for label in order:
            nlp.get_pipe("ner").add_label(label)
        assert nlp.get_pipe("ner").labels == ("A", "LOC", "ORG", "PER", "Z")
        assert nlp.get_pipe("ner").model.get_dim("nO") == 21
        grown.append(nlp.get_pipe("ner").model.to_bytes())
    assert grown == grown[:1] * 6
    fresh = make_nlp()
    fresh.get_pipe("ner").initialize(
        lambda: make_examples(fresh), labels=["A", "LOC", "ORG", "PER", "Z"]
    )
    shapes = {name: value.shape for name, value in state_of(fresh).items()}
    assert {name: value.shape for name, value in state_of(nlp).items()} == shapes


def test_bytes_round_trip_after_growth(nlp):
    nlp.get_pipe("ner").add_label(NEW)
    loaded = make_nlp().from_bytes(nlp.to_bytes())
    assert loaded.get_pipe("ner").labels == ("LOC", "ORG", "PER")
    assert loaded.to_bytes() == nlp.to_bytes()
    go_on(loaded, Adam(0.02))
    assert ents_of(loaded("他去了南京大学读书")) == [(3, 7, "ORG")]


@pytest.mark.parametrize(("make_optimizer", "steps"), [(Adam, 60), (RAdam, 200)])
def test_training_goes_on_with_the_same_optimizer(make_optimizer, steps):
    nlp = make_nlp()
    optimizer = make_optimizer(0.02, use_averages=True)
    nlp.initialize(lambda: make_examples(nlp, OLD_TRAIN), sgd=optimizer)
    go_on(nlp, optimizer, OLD_TRAIN, steps)
    nlp.get_pipe("ner").add_label(NEW)
    texts = mixed_texts()
    expected = [ents_of(nlp(text)) for text in texts]
    # The averages of now gone weights are not those of the present ones.
    with nlp.get_pipe("ner").model.shims[0].use_params(optimizer.averages):
        assert [ents_of(nlp(text)) for text in texts] == expected
    go_on(nlp, optimizer, steps=steps)
    for text, ents in TRAIN:
        assert ents_of(nlp(text)) == ents
    with nlp.use_params(optimizer.averages):
        for text, ents in TRAIN:
            assert ents_of(nlp(text)) == ents


def test_initializing_anew_with_more_labels(nlp):
    train(nlp)
    assert nlp.get_pipe("ner").labels == ("LOC", "ORG", "PER")
    assert ents_of(nlp("他去了南京大学读书")) == [(3, 7, "ORG")]


def test_initializing_anew_ends_rehearsal(nlp):
    for pipeline in (nlp, make_nlp()):
        pipeline.resume_training()
        pipeline.get_pipe("ner").add_label("A")
        train(pipeline, steps=1)
        assert pipeline.rehearse(make_examples(pipeline), sgd=Adam(0.02)) == {"ner": 0.0}


def test_loading_ends_rehearsal(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    data = nlp.to_bytes()
    for load in (lambda: nlp.from_bytes(data), lambda: nlp.from_disk(tmp_path)):
        optimizer = nlp.resume_training(sgd=Adam(0.02))
        go_on(nlp, optimizer, OLD_TRAIN, steps=1)
        load()
        assert nlp.rehearse(make_examples(nlp), sgd=Adam(0.02)) == {"ner": 0.0}


def test_rehearsal_without_resumed_training_does_nothing(nlp):
    # An optimizer with momentum moves weights without a gradient too.
    optimizer = Adam(0.02)
    go_on(nlp, optimizer, OLD_TRAIN, steps=2)
    before = nlp.get_pipe("ner").model.to_bytes()
    assert nlp.rehearse(make_examples(nlp), sgd=optimizer) == {"ner": 0.0}
    assert nlp.get_pipe("ner").model.to_bytes() == before


def test_rehearsal_on_texts_without_tokens_does_nothing(nlp):
    optimizer = nlp.resume_training()
    go_on(nlp, optimizer, OLD_TRAIN, steps=2)
    before = nlp.get_pipe("ner").model.to_bytes()
    empty = make_examples(nlp, [("", [])])
    assert nlp.rehearse(empty, sgd=optimizer) == {"ner": 0.0}
    assert nlp.get_pipe("ner").model.to_bytes() == before


def test_there_is_nothing_to_rehearse_before_anything_is_learned(without_new, decoder):
    nlp = make_nlp(dropout=0.0, adversarial_norm=0.0, decoder=decoder)
    train(nlp, OLD_TRAIN, steps=20)
    nlp.resume_training()
    nlp.get_pipe("ner").add_label(NEW)
    gradients = []

    def collect(key, weights, gradient):
        gradients.append(abs(gradient).max())
        return weights, gradient

    losses = nlp.get_pipe("ner").rehearse(make_examples(nlp), sgd=collect)
    assert losses["ner"] == pytest.approx(0.0, abs=1e-3)
    assert max(gradients) < 1e-4


def test_rehearsal_is_the_same_in_small_batches(without_new, monkeypatch):
    nlp = make_nlp(dropout=0.0).from_bytes(without_new)
    go_on(nlp, nlp.resume_training(sgd=Adam(0.02)), [(text, []) for text, _ in TRAIN], 5)
    weights = nlp.to_bytes()
    gradients = []
    for padded_tokens in (3072, 10):
        monkeypatch.setattr(architecture, "PADDED_TOKENS", padded_tokens)
        monkeypatch.setattr(batches, "FEW", 1)
        found = {}

        def collect(key, weights, gradient, found=found):
            found[key] = gradient
            return weights, gradient

        loss = nlp.get_pipe("ner").rehearse(make_examples(nlp), sgd=collect)["ner"]
        gradients.append({"loss": loss, **found})
    assert nlp.to_bytes() == weights
    assert gradients[0]["loss"] > 1.0
    for key, gradient in gradients[0].items():
        numpy.testing.assert_allclose(gradients[1][key], gradient, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("labels", [[], [NEW], ["A", NEW, "Z"]])
def test_rehearsal_brings_back_what_was_forgotten(decoder, labels):
    nlp = make_nlp(decoder=decoder)
    train(nlp, OLD_TRAIN)
    optimizer = nlp.resume_training(sgd=Adam(0.01))
    for label in labels:
        nlp.get_pipe("ner").add_label(label)
    everything_is_outside = [(text, []) for text, _ in TRAIN]
    go_on(nlp, optimizer, everything_is_outside, steps=15)
    forgotten = nlp.rehearse(make_examples(nlp, everything_is_outside), sgd=optimizer)
    assert not any(nlp(text).ents for text, _ in TRAIN)
    for _ in range(40):
        losses = nlp.rehearse(make_examples(nlp, everything_is_outside), sgd=optimizer)
    assert losses["ner"] < 0.1 * forgotten["ner"]
    for text, ents in OLD_TRAIN:
        assert ents_of(nlp(text)) == ents


def test_rehearsal_leaves_new_labels_alone(nlp):
    optimizer = nlp.resume_training(sgd=Adam(0.02))
    nlp.get_pipe("ner").add_label(NEW)
    go_on(nlp, optimizer)
    for _ in range(40):
        nlp.rehearse(make_examples(nlp), sgd=optimizer)
    for text, ents in TRAIN:
        assert ents_of(nlp(text)) == ents


def test_rehearsal_trains_the_network_through_spacy(nlp):
    # `Language.rehearse` calls the optimizer long after the shim has let the gradients go.
    optimizer = nlp.resume_training(sgd=Adam(0.02))
    go_on(nlp, optimizer, [(text, []) for text, _ in TRAIN], steps=5)
    before = state_of(nlp)
    nlp.rehearse(make_examples(nlp), sgd=optimizer)
    changed = {
        name for name, value in state_of(nlp).items() if (value != before[name]).any()
    }
    assert changed == {name for name, _ in network_of(nlp).named_parameters()}


def test_rehearsal_on_a_shared_embedding_says_what_to_do():
    nlp = make_nlp(tok2vec=LISTENER)
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC}, first=True)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.resume_training()
    with pytest.raises(ValueError, match=r"'ner'.*replace_listeners"):
        nlp.rehearse(examples)
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    nlp.resume_training()
    nlp.update(examples)
    assert nlp.rehearse(examples)["ner"] > 0.0


TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": MULTI_HASH_EMBED,
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 32,
        "depth": 1,
        "window_size": 1,
        "maxout_pieces": 2,
    },
}


def test_a_sourced_component_predicts_as_before(nlp):
    other = spacy.blank("zh")
    other.add_pipe("sentencizer")
    other.add_pipe("ner", name="entities", source=nlp)
    for text in mixed_texts():
        assert ents_of(other(text)) == ents_of(nlp(text))


def test_a_sourced_component_learns_a_new_label(nlp):
    other = spacy.blank("zh")
    other.add_pipe("ner", source=nlp)
    other.get_pipe("ner").add_label(NEW)
    go_on(other, other.resume_training(sgd=Adam(0.02)))
    for text, ents in TRAIN:
        assert ents_of(other(text)) == ents
    loaded = make_nlp().from_bytes(other.to_bytes())
    assert ents_of(loaded("他去了南京大学读书")) == [(3, 7, "ORG")]


def spacy_train(nlp, folder, data, *, add_labels=False, frozen=False):
    """Train as the docs say, with the component of `nlp` as the source. RETURNS (Language):
    What `spacy train` saved."""
    nlp.to_disk(folder / "source")
    docs = DocBin(docs=[eg.reference for eg in make_examples(nlp, data)])
    docs.to_disk(folder / "docs.spacy")
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf8")
    [text] = [b for b in re.findall(r"```ini\n(.*?)```", page, re.S) if "source = " in b]
    overrides = {
        "paths.source": str(folder / "source"),
        "paths.train": str(folder / "docs.spacy"),
        "paths.dev": str(folder / "docs.spacy"),
        "training.max_steps": 40,
        "training.optimizer.learn_rate.initial_rate": 0.02,
        "training.optimizer.learn_rate.warmup_steps": 1,
        "training.optimizer.learn_rate.total_steps": 1_000_000,
    }
    if frozen:
        overrides["training.frozen_components"] = ["ner"]
    if add_labels:
        overrides["initialize.before_init.labels"] = [NEW]
    else:
        text = text[: text.index("[initialize.before_init]")]
    (folder / "go_on.cfg").write_text(text, encoding="utf8")
    train_by_config(folder / "go_on.cfg", folder / "out", overrides=overrides)
    return spacy.load(folder / "out" / "model-last")


def test_spacy_train_goes_on_with_a_sourced_component(nlp, tmp_path):
    text, ents = "赵云在广州", [(0, 2, "PER"), (3, 5, "LOC")]
    # An entity that it finds already would show nothing.
    assert ents_of(nlp(text)) != ents
    new = spacy_train(nlp, tmp_path, [*OLD_TRAIN, (text, ents)])
    assert ents_of(new(text)) == ents


def test_spacy_train_leaves_a_frozen_component_as_it_is(nlp, tmp_path):
    spacy_train(nlp, tmp_path, TRAIN, frozen=True)
    for name in ("model", "cfg"):
        source, saved = tmp_path / "source" / "ner", tmp_path / "out/model-last/ner"
        assert (source / name).read_bytes() == (saved / name).read_bytes()


def test_spacy_train_adds_labels_by_config(nlp, tmp_path):
    new = spacy_train(nlp, tmp_path, TRAIN, add_labels=True)
    assert new.get_pipe("ner").labels == ("LOC", "ORG", "PER")
    for text, ents in TRAIN:
        assert ents_of(new(text)) == ents


def test_spacy_train_without_the_new_labels_says_how_to_add_them(nlp, tmp_path):
    with pytest.raises(ValueError, match=r"\['ORG'\].*before_init.*add_labels"):
        spacy_train(nlp, tmp_path, TRAIN)


def test_labels_of_the_callback_must_be_a_list():
    with pytest.raises(ValueError, match="list of strings"):
        create_add_labels("ner", "ORG")
