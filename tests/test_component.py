import pickle
import random

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, Config, fix_random_seed

from spacy_bilstm_crf.model.precision import cpu_has_bfloat16

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
    ("王", [(0, 1, "PER")]),
    ("", []),
    ("他去了南京大学读书", [(3, 7, "ORG")]),
    (
        "北京人张伟和上海人李娜",
        [(0, 2, "LOC"), (3, 5, "PER"), (6, 8, "LOC"), (9, 11, "PER")],
    ),
]


def make_nlp(tok2vec=None, lang="zh", **model):
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    config = {"model": {**MODEL, **model}}
    if tok2vec is not None:
        config["model"]["tok2vec"] = tok2vec
    nlp.add_pipe("bilstm_crf", name="ner", config=config)
    return nlp


def make_examples(nlp, data=TRAIN):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data
    ]


def train(nlp, steps=60, examples=None):
    examples = examples or make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer)
    return losses["ner"]


def ents_of(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


@pytest.fixture(scope="module")
def trained():
    nlp = make_nlp()
    train(nlp)
    return nlp


def mixed_texts():
    rng = random.Random(0)
    alphabet = "".join(text for text, _ in TRAIN) + " \n１龘😀x7"
    lengths = [0, 1, 2, 3, 400, 0, 7, 60, 1, 33] * 6
    return ["".join(rng.choice(alphabet) for _ in range(length)) for length in lengths]


def test_overfits_and_sets_entities(trained):
    for text, ents in TRAIN:
        assert ents_of(trained(text)) == ents
    scores = trained.evaluate(make_examples(trained))
    assert scores["ents_f"] == 1.0
    assert set(scores["ents_per_type"]) == {"LOC", "ORG", "PER"}


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_pipe_gives_what_single_calls_give(trained, batch_size):
    texts = mixed_texts()
    alone = [ents_of(trained(text)) for text in texts]
    assert sum(map(len, alone)) > 100
    piped = [ents_of(doc) for doc in trained.pipe(texts, batch_size=batch_size)]
    assert piped == alone


def test_bytes_and_disk_round_trips(trained, tmp_path):
    trained.to_disk(tmp_path / "one")
    loaded = spacy.load(tmp_path / "one")
    copied = make_nlp().from_bytes(trained.to_bytes())
    unpickled = pickle.loads(pickle.dumps(trained.get_pipe("ner")))
    for text in mixed_texts():
        expected = ents_of(trained(text))
        assert ents_of(loaded(text)) == ents_of(copied(text)) == expected
        assert ents_of(unpickled(trained.make_doc(text))) == expected
    assert loaded.get_pipe("ner").labels == trained.get_pipe("ner").labels
    loaded.to_disk(tmp_path / "two")
    for name in ("model", "cfg"):
        one, two = ((tmp_path / n / "ner" / name).read_bytes() for n in ("one", "two"))
        assert one == two


def test_precision_can_be_chosen_when_a_pipeline_is_loaded(trained, tmp_path):
    trained.to_disk(tmp_path)
    config = {"components.ner.model.precision": "bfloat16"}
    loaded = spacy.load(tmp_path, config=config)
    for text, ents in TRAIN:
        assert ents_of(loaded(text)) == ents
    assert loaded.get_pipe("ner").model.shims[0].predict_bfloat16 == cpu_has_bfloat16()


@pytest.mark.parametrize(
    ("name", "value"), [("decoder", "softmax"), ("hidden_width", 5), ("depth", 2)]
)
def test_the_shape_of_a_network_cannot_be_overridden(trained, tmp_path, name, value):
    trained.to_disk(tmp_path)
    config = {f"components.ner.model.{name}": value}
    with pytest.raises(ValueError, match=f"{name} = {value!r}, but .* was trained with"):
        spacy.load(tmp_path, config=config)


def test_round_trip_before_initialization(tmp_path):
    make_nlp().to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    train(nlp, steps=1)


def test_a_loaded_pipeline_can_be_trained_further(trained, tmp_path):
    trained.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    examples = make_examples(nlp, [("赵云在北京", [(0, 2, "PER"), (3, 5, "LOC")])])
    optimizer = nlp.resume_training()
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    assert ents_of(nlp("赵云在北京")) == [(0, 2, "PER"), (3, 5, "LOC")]


def test_every_doc_counts_as_annotated(trained):
    doc = trained("今天天气很好")
    assert not doc.ents
    assert doc.has_annotation("ENT_IOB")
    assert ents_of(trained("")) == []


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["", ""], ["王"], ["", "王", ""]],
    ids=["none", "e", "ee", "1", "e1e"],
)
def test_empty_docs_and_batches_are_fine(texts):
    nlp = make_nlp()
    train(nlp, steps=1)
    ner = nlp.get_pipe("ner")
    docs = [nlp.make_doc(text) for text in texts]
    tags = ner.predict(docs)
    ner.set_annotations(docs, tags)
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]
    losses = ner.update(examples)
    assert losses == {"ner": 0.0}


def test_docs_without_gold_teach_nothing_and_leave_the_others_alone():
    nlp = make_nlp(dropout=0.0)
    train(nlp, steps=2)
    ner = nlp.get_pipe("ner")
    gold = make_examples(nlp)
    bare = [Example(nlp.make_doc("张伟在北京"), nlp.make_doc("张伟在北京"))]
    assert ner.update(bare)["ner"] == 0.0
    assert ner.update(gold + bare)["ner"] == pytest.approx(
        ner.update(gold)["ner"], rel=1e-5
    )


def test_missing_tokens_are_summed_out():
    nlp = make_nlp()
    text = "张伟在北京工作"
    example = Example.from_dict(nlp.make_doc(text), {"entities": [(0, 2, "PER")]})
    # All that is known: 张伟 is a person. The rest is open.
    reference = example.reference
    reference.set_ents([Span(reference, 0, 2, "PER")], default="missing")
    others = make_examples(nlp, TRAIN[1:])
    assert train(nlp, examples=[example, *others]) < 5.0
    assert (0, 2, "PER") in ents_of(nlp(text))


def test_misaligned_gold_is_missing_gold():
    nlp = make_nlp(lang="en")
    reference = Doc(nlp.vocab, words=["New", "York", "City", "is", "big"])
    reference.set_ents([Span(reference, 0, 2, "LOC")], default="outside")
    predicted = Doc(nlp.vocab, words=["New", "YorkCity", "is", "big"])
    train(nlp, steps=3, examples=[Example(predicted, reference)])
    only_misaligned = Doc(nlp.vocab, words=["NewYorkCityisbig"])
    assert nlp.get_pipe("ner").update([Example(only_misaligned, reference)])["ner"] == 0.0


def test_labels_are_sorted_whatever_their_order():
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    assert [ner.add_label(label) for label in ("b", "c", "a", "b")] == [1, 1, 1, 0]
    assert ner.labels == ("a", "b", "c")
    nlp.initialize()
    assert ner.labels == ("a", "b", "c")


def test_label_data_initializes_the_same_labels():
    nlp = make_nlp()
    nlp.initialize(lambda: make_examples(nlp))
    label_data = nlp.get_pipe("ner").label_data
    assert label_data == ["LOC", "ORG", "PER"]
    other = make_nlp()
    other.get_pipe("ner").initialize(
        lambda: make_examples(other, TRAIN[:1]), labels=label_data
    )
    assert other.get_pipe("ner").labels == ("LOC", "ORG", "PER")


def test_running_before_initialization_is_a_clear_error():
    nlp = make_nlp()
    with pytest.raises(ValueError, match=r"E109.*ner.*initialize"):
        nlp("张伟")
    with pytest.raises(ValueError, match=r"E109.*ner.*initialize"):
        nlp.get_pipe("ner").update(make_examples(nlp))


def test_initialization_without_labels_is_a_clear_error():
    nlp = make_nlp()
    with pytest.raises(ValueError, match=r"E143.*ner"):
        nlp.initialize(lambda: make_examples(nlp, TRAIN[2:3]))


def test_a_label_that_is_not_a_string_is_a_clear_error(trained):
    ner = trained.get_pipe("ner")
    assert ner.add_label("PER") == 0
    with pytest.raises(ValueError, match="E187"):
        ner.add_label(3)


def test_a_gold_label_unknown_at_update_is_a_clear_error(trained):
    examples = make_examples(trained, [("张伟", [(0, 2, "NEW")])])
    with pytest.raises(ValueError, match=r"\['NEW'\].*\['LOC', 'ORG', 'PER'\].*add_label"):
        trained.get_pipe("ner").update(examples)


def test_the_error_handler_gets_what_fails(trained):
    failed = []
    trained.get_pipe("ner").set_error_handler(lambda *args: failed.append(args))
    ner = trained.get_pipe("ner")
    original = ner.predict
    try:
        ner.predict = lambda docs: 1 / 0
        assert list(ner.pipe([trained.make_doc("张伟")])) == []
    finally:
        ner.predict = original
        ner.set_error_handler(spacy.util.raise_error)
    assert isinstance(failed[0][3], ZeroDivisionError)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_every_decoder_and_depth_learns(decoder, depth):
    nlp = make_nlp(decoder=decoder, depth=depth)
    examples = make_examples(nlp)
    before = train(nlp, steps=1)
    assert train(nlp, steps=40) < before / 4
    assert nlp.evaluate(examples)["ents_f"] > 0.8


def test_spacys_own_embedding_fits_the_slot():
    nlp = make_nlp(tok2vec=MULTI_HASH_EMBED)
    train(nlp)
    assert ents_of(nlp(TRAIN[0][0])) == TRAIN[0][1]


def make_listening():
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    upstream = {
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
    nlp.add_pipe("tok2vec", config={"model": upstream})
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": {**MODEL, "tok2vec": LISTENER}})
    return nlp


def embedding_of(nlp):
    (node,) = [n for n in nlp.get_pipe("tok2vec").model.walk() if n.name == "maxout"][:1]
    return node.get_param("W")


def test_a_shared_tok2vec_is_trained_through_the_listener():
    nlp = make_listening()
    nlp.initialize(lambda: make_examples(nlp))
    before = embedding_of(nlp).copy()
    train_listening(nlp)
    assert (embedding_of(nlp) != before).any()
    assert ents_of(nlp(TRAIN[0][0])) == TRAIN[0][1]


def train_listening(nlp, **kwargs):
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.02
    # spaCy takes an empty Doc's empty tensor for a frozen tok2vec that has not run.
    data = [(text, ents) for text, ents in TRAIN if text or not kwargs]
    for _ in range(50):
        nlp.update(make_examples(nlp, data), sgd=optimizer, **kwargs)


def test_a_frozen_tok2vec_stays_as_it_is():
    nlp = make_listening()
    nlp.initialize(lambda: make_examples(nlp))
    before = embedding_of(nlp).copy()
    train_listening(nlp, exclude=["tok2vec"], annotates=["tok2vec"])
    assert (embedding_of(nlp) == before).all()
    assert ents_of(nlp(TRAIN[0][0])) == TRAIN[0][1]


def test_listeners_can_be_replaced():
    nlp = make_listening()
    nlp.initialize(lambda: make_examples(nlp))
    train_listening(nlp)
    expected = ents_of(nlp(TRAIN[0][0]))
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    assert ents_of(nlp(TRAIN[0][0])) == expected
    train_listening(nlp)
    loaded = spacy.blank("zh").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert ents_of(loaded(TRAIN[0][0])) == ents_of(nlp(TRAIN[0][0]))


def test_training_dropout_reaches_the_network():
    nlp = make_nlp(dropout=0.0)
    train(nlp, steps=2)
    ner = nlp.get_pipe("ner")
    examples = make_examples(nlp)
    losses = [ner.update(examples, drop=drop)["ner"] for drop in (0.0, 0.0, 0.5)]
    assert losses[0] == losses[1] != losses[2]


def test_averages_cover_embedding_and_network():
    nlp = make_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    raw = nlp.get_pipe("ner").model.to_bytes()
    with nlp.use_params(optimizer.averages):
        averaged = nlp.get_pipe("ner").model
        network = averaged.shims[0].network
        for name, parameter in network.named_parameters():
            expected = optimizer.averages[averaged.shims[0].id, name]
            numpy.testing.assert_array_equal(parameter.detach().numpy(), expected)
        embed = averaged.get_ref("tok2vec")
        expected = optimizer.averages[embed.id, "E"]
        numpy.testing.assert_array_equal(embed.get_param("E"), expected)
        assert averaged.to_bytes() != raw
    assert nlp.get_pipe("ner").model.to_bytes() == raw


def test_losses_of_several_batches_add_up():
    nlp = make_nlp(dropout=0.0)
    train(nlp, steps=2)
    ner, examples = nlp.get_pipe("ner"), make_examples(nlp)
    alone = ner.update(examples)["ner"]
    losses = {"ner": 1.0, "other": 2.0}
    assert ner.update(examples, losses=losses) is losses
    assert losses == {"ner": pytest.approx(1.0 + alone), "other": 2.0}


def test_the_vocabulary_is_gathered_from_all_examples():
    nlp = make_nlp()
    examples = make_examples(nlp) + make_examples(nlp, TRAIN[2:3]) * 20
    nlp.initialize(lambda: examples + make_examples(nlp, [("龘", [])]))
    keys = nlp.get_pipe("ner").model.get_ref("tok2vec").attrs["keys"][0]
    assert nlp.vocab.strings["龘"] in keys


def test_given_labels_are_all_there_is():
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    ner.initialize(lambda: make_examples(nlp), labels=["PER", "X"])
    assert ner.labels == ("PER", "X")
    with pytest.raises(ValueError, match="list of strings"):
        make_nlp().get_pipe("ner").initialize(lambda: make_examples(nlp), labels="PER")
    with pytest.raises(ValueError, match="E187"):
        make_nlp().get_pipe("ner").add_label("")


def test_other_things_than_examples_are_refused(trained):
    with pytest.raises(TypeError, match="E978"):
        trained.get_pipe("ner").update([trained.make_doc("张伟")])
    with pytest.raises((TypeError, ValueError), match="E930"):
        make_nlp().get_pipe("ner").initialize(lambda: [])


def test_a_number_of_outputs_that_does_not_fit_is_a_clear_error():
    nlp = make_nlp(nO=9)
    with pytest.raises(ValueError, match=r"nO.*is 9, but 3 labels make 13"):
        nlp.initialize(lambda: make_examples(nlp))
    fitting = make_nlp(nO=13)
    train(fitting, steps=1)


def test_initializing_twice_starts_anew():
    nlp = make_nlp()
    train(nlp)
    train(nlp, steps=1)
    assert nlp.evaluate(make_examples(nlp))["ents_f"] < 0.9
    train(nlp)
    assert nlp.evaluate(make_examples(nlp))["ents_f"] == 1.0


def test_initializing_with_other_data_forgets_the_labels():
    nlp = make_nlp()
    train(nlp)
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 2.0
    others = [("中国人民", [(0, 2, "GPE")]), ("他去了南京大学读书", [(3, 7, "ORG")])]
    train(nlp, examples=make_examples(nlp, others))
    assert ner.labels == ("GPE", "ORG")
    assert ner.model.get_dim("nO") == 9
    assert ner.cfg["temperature"] == 1.0
    loaded = make_nlp().from_bytes(nlp.to_bytes())
    for text, ents in others:
        assert ents_of(nlp(text)) == ents_of(loaded(text)) == ents


def test_initializing_anew_with_an_optimizer_that_was_used():
    nlp = make_nlp()
    optimizer = Adam(0.02)
    fewer = [(text, [ent for ent in ents if ent[2] == "PER"]) for text, ents in TRAIN]
    for data, labels in ((TRAIN, ("LOC", "ORG", "PER")), (fewer, ("PER",))):
        examples = make_examples(nlp, data)
        nlp.initialize(lambda examples=examples: examples, sgd=optimizer)
        assert nlp.get_pipe("ner").labels == labels
        nlp.update(examples, sgd=optimizer)


def test_a_failed_initialization_changes_nothing(trained):
    before = trained.to_bytes()
    ner = trained.get_pipe("ner")
    for labels in ([], ["X", 3]):
        with pytest.raises(ValueError, match=r"E143|E187"):
            ner.initialize(lambda: make_examples(trained), labels=labels)
    assert trained.to_bytes() == before
    assert ents_of(trained(TRAIN[0][0])) == TRAIN[0][1]


def test_the_component_can_be_sourced(trained):
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner", source=trained)
    assert ents_of(nlp(TRAIN[0][0])) == TRAIN[0][1]


def test_two_components_in_one_pipeline():
    nlp = make_nlp()
    nlp.add_pipe("bilstm_crf", name="other", config={"model": MODEL})
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    losses = nlp.update(examples, sgd=optimizer)
    assert set(losses) == {"ner", "other"}


def test_a_vocab_that_does_not_know_the_labels(trained):
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    ner.from_bytes(trained.get_pipe("ner").to_bytes(), exclude=["vocab"])
    assert ents_of(ner(nlp.make_doc(TRAIN[0][0]))) == TRAIN[0][1]


def test_an_embedding_that_cannot_take_empty_batches():
    character_embed = {
        "@architectures": "spacy.CharacterEmbed.v2",
        "width": 32,
        "rows": 100,
        "nM": 8,
        "nC": 2,
        "include_static_vectors": False,
        "feature": "LOWER",
    }
    nlp = make_nlp(tok2vec=character_embed)
    train(nlp, steps=1)
    assert not nlp("").ents
    assert [len(doc) for doc in nlp.pipe(["", ""])] == [0, 0]
    assert nlp.get_pipe("ner").predict([]) == []


def test_the_same_seed_gives_the_same_weights():
    models = []
    for _ in range(2):
        nlp = make_nlp(dropout=0.3)
        train(nlp, steps=5)
        models.append(nlp.get_pipe("ner").model.to_bytes())
    assert models[0] == models[1]


def test_the_default_config_can_be_constructed_and_filled():
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner")
    config = Config().from_str(nlp.config.to_str())
    again = spacy.util.load_model_from_config(config)
    assert again.config["components"] == nlp.config["components"]
