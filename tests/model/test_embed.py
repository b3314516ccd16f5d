import logging

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Token
from spacy.util import registry
from thinc.api import Adam, Config, Model, fix_random_seed

from spacy_bilstm_crf.model.embed import (
    Settings,
    _mix,
    _ngram_keys,
    build_ngram_embed,
    forward,
    gather_vocabularies,
)

NLP = spacy.blank("zh")
TEXTS = ["中国人", "中国", "人", "", "中", "人人人"]


def make_embed(texts=TEXTS, **settings):
    model = build_ngram_embed(width=4, **settings)
    model.initialize(X=[NLP.make_doc(text) for text in texts])
    return model


def vectors_of(model, text):
    return model.predict([NLP.make_doc(text)])[0]


def test_vectors_have_one_part_per_order():
    model = make_embed()
    assert model.get_dim("nO") == 8
    assert [len(v) for v in model.predict([NLP.make_doc(t) for t in TEXTS])] == [
        len(t) for t in TEXTS
    ]
    assert vectors_of(model, "").shape == (0, 8)
    assert model.predict([]) == []


def test_known_ngrams_have_rows_of_their_own_and_unknown_ones_share_one():
    model = make_embed(orders=[1], min_freq=[1], dropout=[0.0])
    unknown = vectors_of(model, "龘")[0]
    assert (vectors_of(model, "靐")[0] == unknown).all()
    known = [vectors_of(model, character)[0] for character in "中国人"]
    assert len(numpy.unique([unknown, *known], axis=0)) == 4


def test_min_freq_counts_over_all_texts():
    # 中国 occurs twice, 国人 and 人人 + end do not; each text's last token starts a
    # bigram with nothing after it.
    model = make_embed(orders=[2], min_freq=[2], dropout=[0.0])
    unknown = vectors_of(model, "龘中")[0]
    assert (vectors_of(model, "国人")[0] == unknown).all()
    assert (vectors_of(model, "中国")[0] != unknown).all()
    assert (vectors_of(model, "人人")[0] != unknown).all()
    assert (vectors_of(model, "人")[0] != unknown).all()
    assert (vectors_of(model, "中")[0] == unknown).all()


def test_ngrams_do_not_reach_into_the_next_doc():
    model = make_embed(orders=[1, 2, 3], min_freq=[1, 1, 1], dropout=[0.0] * 3)
    together = model.predict([NLP.make_doc(text) for text in TEXTS])
    for text, vectors in zip(TEXTS, together, strict=True):
        assert (vectors_of(model, text) == vectors).all()


def test_ngram_keys_equal_the_definition():
    docs = [NLP.make_doc(text) for text in ("甲乙丙丁", "", "乙", "乙丙")]
    settings = Settings(4, [1, 2, 3], [1] * 3, [0.0] * 3, 0.0, spacy.attrs.ORTH)
    keys = _ngram_keys(docs, settings)
    seen = {}
    for order, found in zip((1, 2, 3), keys, strict=True):
        position = 0
        for doc in docs:
            for i in range(len(doc)):
                ngram = (
                    *(t.text for t in doc[i : i + order]),
                    *[""] * (order - len(doc) + i),
                )
                ngram = ngram[:order]
                assert seen.setdefault((order, ngram), found[position]) == found[position]
                position += 1
        assert position == len(found)
    assert len(set(seen.values())) == len(seen)


def test_mixing_is_one_to_one_on_a_sample():
    keys = numpy.arange(100_000, dtype="uint64")
    assert len(numpy.unique(_mix(keys))) == len(keys)


def test_training_drops_each_order_at_its_own_rate_and_singletons_more_often():
    texts = ["甲" * 500, "乙"]
    model = make_embed(
        texts, orders=[1, 2], min_freq=[1, 1], dropout=[0.1, 0.4], singleton_dropout=0.8
    )
    fix_random_seed(0)
    docs = [NLP.make_doc("甲" * 4000), *[NLP.make_doc("乙")] * 4000]
    unknown = vectors_of(model, "龘")[0]
    vectors, _ = model(docs, is_train=True)
    flat = numpy.concatenate(vectors)
    dropped = (flat[:, :4] == unknown[:4]).all(axis=1)
    assert dropped[:4000].mean() == pytest.approx(0.1, abs=0.03)
    assert dropped[4000:].mean() == pytest.approx(0.8, abs=0.03)
    dropped = (flat[:, 4:] == unknown[4:]).all(axis=1)
    assert dropped[:3999].mean() == pytest.approx(0.4, abs=0.03)


def test_prediction_drops_nothing():
    model = make_embed(dropout=[0.9, 0.9])
    assert (vectors_of(model, "中国人") == vectors_of(model, "中国人")).all()


def test_gradient_equals_finite_differences():
    model = make_embed(dropout=[0.0, 0.0], singleton_dropout=0.0)
    docs = [NLP.make_doc(text) for text in TEXTS]
    vectors, backprop = model.begin_update(docs)
    weights = [numpy.random.RandomState(i).rand(*v.shape) for i, v in enumerate(vectors)]
    weights = [w.astype("float32") for w in weights]
    assert backprop(weights) == []
    table, gradient = model.get_param("E"), model.get_grad("E")

    def loss():
        return sum((v * w).sum() for v, w in zip(model.predict(docs), weights, strict=True))

    before, step = loss(), 0.25
    for row, column in ((0, 0), (1, 2), (len(table) - 1, 3), (2, 1)):
        table[row, column] += step
        assert (loss() - before) / step == pytest.approx(gradient[row, column], abs=1e-3)
        table[row, column] -= step


def test_the_unknown_row_is_trained_by_singletons():
    model = make_embed(
        ["中"], orders=[1], min_freq=[1], dropout=[0.0], singleton_dropout=1.0
    )
    before = vectors_of(model, "龘").copy()
    _, backprop = model.begin_update([NLP.make_doc("中")])
    backprop([numpy.ones((1, 4), dtype="float32")])
    model.finish_update(Adam(0.1))
    assert (vectors_of(model, "龘") != before).all()


def test_bytes_hold_the_vocabulary_and_are_stable():
    model = make_embed()
    loaded = build_ngram_embed(width=4).from_bytes(model.to_bytes())
    assert loaded.to_bytes() == model.to_bytes()
    assert (vectors_of(loaded, "中国人龘") == vectors_of(model, "中国人龘")).all()
    # Singletons are known to later training, too.
    for a, b in zip(loaded.attrs["singletons"], model.attrs["singletons"], strict=True):
        assert (a == b).all()


def test_bytes_round_trip_before_initialization():
    model = build_ngram_embed(width=4)
    assert build_ngram_embed(width=4).from_bytes(model.to_bytes()).to_bytes()


def test_another_attribute_than_the_text():
    model = build_ngram_embed(
        width=4, attr="LOWER", orders=[1], min_freq=[1], dropout=[0.0]
    )
    model.initialize(X=[Doc(NLP.vocab, words=["The", "cat"])])
    words = [Doc(NLP.vocab, words=[word]) for word in ("the", "THE", "dog")]
    the, upper, dog = model.predict(words)
    assert (the == upper).all()
    assert (the != dog).all()


def test_a_vocabulary_from_a_mere_sample_is_warned_of(caplog):
    spacy.util.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        make_embed(["中"] * 9)
    assert "knows no other n-grams" in caplog.text
    caplog.clear()
    make_embed(["中"] * 11)
    assert not caplog.text
    spacy.util.logger.removeHandler(caplog.handler)


def test_gradients_of_several_batches_add_up():
    model = make_embed(dropout=[0.0, 0.0], singleton_dropout=0.0)
    for _ in range(2):
        _, backprop = model.begin_update([NLP.make_doc("中")])
        backprop([numpy.ones((1, 8), dtype="float32")])
    assert set(numpy.unique(model.get_grad("E"))) == {0.0, 2.0}


def test_singletons_are_dropped_at_least_as_often_as_others():
    model = make_embed(
        ["乙"], orders=[1], min_freq=[1], dropout=[0.9], singleton_dropout=0.1
    )
    fix_random_seed(0)
    vectors, _ = model([NLP.make_doc("乙")] * 1000, is_train=True)
    unknown = vectors_of(model, "龘")[0]
    assert (numpy.concatenate(vectors) == unknown).all(axis=1).mean() > 0.85


def test_an_attribute_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'FOO'"):
        build_ngram_embed(attr="FOO")


@pytest.mark.parametrize(
    "settings",
    [
        {"orders": [1, 2], "min_freq": [1], "dropout": [0.0, 0.0]},
        {"orders": [1, 2], "min_freq": [1, 1], "dropout": [0.0]},
        {"orders": [], "min_freq": [], "dropout": []},
        {"orders": [0], "min_freq": [1], "dropout": [0.0]},
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(settings):
    with pytest.raises(ValueError, match="NgramEmbed needs"):
        build_ngram_embed(**settings)


def test_an_extension_attribute():
    Token.set_extension("kind", default=None)
    model = build_ngram_embed(
        width=4, attr="_.kind", orders=[1], min_freq=[1], dropout=[0.0]
    )
    doc = NLP.make_doc("甲乙丙丁")
    for token, kind in zip(doc, ("a", "a", 7, None), strict=True):
        token._.kind = kind
    model.initialize(X=[doc])
    [a, again, seven, none] = model.predict([doc])[0]
    assert (a == again).all()
    assert len(numpy.unique([a, seven, none], axis=0)) == 3
    assert vectors_of(model, "").shape == (0, 4)
    loaded = build_ngram_embed(
        width=4, attr="_.kind", orders=[1], min_freq=[1], dropout=[0.0]
    ).from_bytes(model.to_bytes())
    assert (loaded.predict([doc])[0] == model.predict([doc])[0]).all()
    Token.remove_extension("kind")
    with pytest.raises(AttributeError, match="kind"):
        model.predict([doc])


def test_defaults_can_be_copied():
    # As `spacy init fill-config` copies those of a layer inside of another.
    config = Config({"model": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1"}})
    filled = registry.fill(config)
    assert "orders = [1,2]" in filled.copy().to_str().replace(", ", ",")


def test_a_layer_that_gathers_answers_for_those_inside():
    seen = []

    def gather(model, docs):
        seen.append((model.name, docs))

    attrs = {"gather_vocabulary": gather}
    inside = Model("inside", forward, attrs=attrs)
    outside = Model("outside", forward, layers=[inside], attrs=attrs)
    other = Model("other", forward, layers=[inside])
    gather_vocabularies(Model("top", forward, layers=[outside, other]), ["docs"])
    assert seen == [("outside", ["docs"]), ("inside", ["docs"])]
