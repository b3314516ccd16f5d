import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import (
    Adam,
    Model,
    chain,
    fix_random_seed,
    list2ragged,
    ragged2list,
    set_dropout_rate,
)

from spacy_bilstm_crf.model import architecture
from spacy_bilstm_crf.model.architecture import build_bilstm_crf
from spacy_bilstm_crf.model.embed import build_ngram_embed

NLP = spacy.blank("zh")
TEXTS = ["中国人民", "", "人", "国人中国人民中", "中人", ""]
K = 9


def make_model(tok2vec=None, **kwargs):
    fix_random_seed(0)
    settings = {"hidden_width": 8, "depth": 1, "dropout": 0.0, "nO": K}
    settings = {"adversarial_norm": 0.0, **settings, **kwargs}
    tok2vec = tok2vec or build_ngram_embed(
        width=6, dropout=[0.0, 0.0], singleton_dropout=0.0
    )
    model = build_bilstm_crf(tok2vec, **settings)
    model.initialize(X=make_docs())
    return model


def make_docs(texts=TEXTS):
    return [NLP.make_doc(text) for text in texts]


def outside(docs):
    return [numpy.eye(K, dtype="bool")[numpy.zeros(len(doc), dtype=int)] for doc in docs]


@pytest.mark.parametrize("docs", [[], [""], ["", "", ""], ["中"], ["中", ""], TEXTS])
def test_prediction_gives_one_tag_per_token(docs):
    docs = make_docs(docs)
    tags = make_model().predict(docs)
    assert [len(t) for t in tags] == [len(doc) for doc in docs]
    assert all(t.dtype == numpy.int64 for t in tags)


@pytest.mark.parametrize("docs", [[], [""], ["", "", ""], ["中"], ["中", ""], TEXTS])
def test_training_gives_one_loss_per_doc(docs):
    docs = make_docs(docs)
    model = make_model()
    losses, backprop = model.begin_update((docs, outside(docs)))
    assert losses.shape == (len(docs),)
    assert ((losses > 0) == [len(doc) > 0 for doc in docs]).all()
    backprop(numpy.ones_like(losses))
    model.finish_update(Adam(0.01))


def test_training_without_allowed_tags_learns_nothing():
    docs = make_docs()
    model = make_model()
    before = model.to_bytes()
    losses, backprop = model.begin_update(docs)
    backprop(numpy.ones_like(losses))
    model.finish_update(Adam(0.01))
    assert not losses.any()
    assert model.to_bytes() == before


@given(st.permutations(range(len(TEXTS))), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_results_do_not_depend_on_batch_mates(order, bound):
    model = make_model(depth=2)
    docs = make_docs()
    alone = [model.predict([doc])[0].tolist() for doc in docs]
    losses = [model.begin_update(([doc], outside([doc])))[0][0] for doc in docs]
    shuffled = [docs[i] for i in order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architecture, "PADDED_TOKENS", bound)
        together = model.predict(shuffled)
        found, _ = model.begin_update((shuffled, outside(shuffled)))
    assert [t.tolist() for t in together] == [alone[i] for i in order]
    numpy.testing.assert_allclose(found, [losses[i] for i in order], atol=1e-5)


def test_gradient_of_the_vectors_equals_finite_differences():
    docs = make_docs()
    model = make_model()
    embed = model.get_ref("tok2vec")
    _, backprop = model.begin_update((docs, outside(docs)))
    weights = numpy.arange(1, len(docs) + 1, dtype="float32")
    backprop(weights)
    table, gradient = embed.get_param("E"), embed.get_grad("E")

    def total():
        losses, _ = model.begin_update((docs, outside(docs)))
        return float((losses.astype("float64") * weights).sum())

    step = 0.02
    for row in range(len(table)):
        table[row, 1] += step
        above = total()
        table[row, 1] -= 2 * step
        below = total()
        table[row, 1] += step
        slope = (above - below) / (2 * step)
        assert slope == pytest.approx(gradient[row, 1], abs=0.02, rel=0.02)


def test_sub_batches_add_their_gradients_up(monkeypatch):
    docs = make_docs()
    gradients = []
    for bound in (1, 10_000):
        monkeypatch.setattr(architecture, "PADDED_TOKENS", bound)
        model = make_model()
        losses, backprop = model.begin_update((docs, outside(docs)))
        backprop(numpy.ones_like(losses))
        network = model.shims[0].network
        gradients.append(
            [p.grad.numpy().copy() for p in network.parameters()]
            + [model.get_ref("tok2vec").get_grad("E")]
        )
    for a, b in zip(*gradients, strict=True):
        numpy.testing.assert_allclose(a, b, atol=1e-5)


def test_each_doc_gets_its_gradient_array_and_empty_ones_too():
    seen = []

    def forward(model, docs, is_train):
        vectors = [numpy.ones((len(doc), 3), dtype="float32") for doc in docs]
        return vectors, lambda d_vectors: seen.extend(d_vectors) or []

    docs = make_docs()
    model = make_model(Model("constant", forward, dims={"nO": 3}))
    losses, backprop = model.begin_update((docs, outside(docs)))
    backprop(numpy.ones_like(losses))
    assert [d.shape for d in seen] == [(len(doc), 3) for doc in docs]


def test_tags_keep_to_the_allowed_ones():
    docs = make_docs(["中国", "人"])
    allowed = [numpy.ones((len(doc), K), dtype="bool") for doc in docs]
    allowed[0][0] = numpy.eye(K)[5]  # B of the second label
    first, second = make_model().predict((docs, allowed))
    assert first.tolist() == [5, 7]
    assert second.tolist() == make_model().predict(docs)[1].tolist()


def test_training_dropout_adds_to_the_networks_own():
    docs = make_docs()
    seen = []
    for own, training in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        model = make_model(dropout=own)
        set_dropout_rate(model, training)
        original = model.shims[0].network.forward

        def spy(*args, original=original, **kwargs):
            seen.append(kwargs["dropout"])
            return original(*args, **kwargs)

        model.shims[0].network.forward = spy
        model.begin_update((docs, outside(docs)))
    assert seen == [0.0, 0.5, 0.5, 0.75]


@pytest.mark.parametrize("locked", [True, False])
def test_dropout_changes_training_and_never_prediction(locked):
    docs = make_docs()
    model = make_model(dropout=0.5, locked_dropout=locked)
    one, two = (model.begin_update((docs, outside(docs)))[0] for _ in range(2))
    assert (one[0] != two[0]).all()
    set_dropout_rate(model, 0.9)
    tags = [[t.tolist() for t in model.predict(docs)] for _ in range(3)]
    assert tags[0] == tags[1] == tags[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decoder": "crff"}, r"'crff'.*crf, softmax"),
        ({"depth": -1}, "depth -1"),
        ({"hidden_width": 0}, "hidden_width is 0"),
        ({"dropout": 1.0}, r"dropout is 1.0"),
        ({"precision": "int8"}, r"'int8'.*float32, bfloat16"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_model(**settings)


def test_a_tok2vec_without_a_width_is_refused():
    def forward(model, docs, is_train):
        return [], lambda d: []

    with pytest.raises(ValueError, match=r"width of the token vectors.*'nameless'"):
        make_model(Model("nameless", forward))


def test_the_tok2vec_is_where_spacy_looks_for_it():
    model = make_model()
    assert model.get_ref("tok2vec") is model.layers[0]


class FakeScaler:
    """thinc's own takes CUDA tensors only."""

    found_inf = False

    def scale(self, tensors):
        return tensors * 1024

    def unscale(self, tensors):
        for tensor in tensors:
            tensor /= 1024
        return False

    def update(self):
        pass


def test_scaled_losses_give_the_same_gradients(monkeypatch):
    # Two passes over each of several sub-batches, all of them unscaled once.
    monkeypatch.setattr(architecture, "PADDED_TOKENS", 1)
    docs = make_docs()
    gradients = []
    for scaler in (None, FakeScaler()):
        model = make_model(adversarial_norm=0.5)
        if scaler is not None:
            model.shims[0]._grad_scaler = scaler
        found = {}

        def collect(key, weights, gradient, found=found):
            found[key[1]] = gradient.copy()
            return weights, gradient

        losses, backprop = model.begin_update((docs, outside(docs)))
        backprop(numpy.ones_like(losses))
        model.finish_update(collect)
        gradients.append(found)
    assert gradients[0].keys() == gradients[1].keys() > {"E", "decoder.transitions"}
    for name, gradient in gradients[0].items():
        numpy.testing.assert_allclose(gradients[1][name], gradient, atol=1e-5, err_msg=name)


def test_a_copy_predicts_and_trains_on_its_own():
    docs = make_docs()
    model = make_model()
    before = model.to_bytes()
    copied = model.copy()
    losses, backprop = copied.begin_update((docs, outside(docs)))
    backprop(numpy.ones_like(losses))
    copied.finish_update(Adam(0.1))
    assert model.to_bytes() == before


def test_layers_that_run_when_initialized_are_shown_a_sample():
    seen = []

    def init(model, X=None, Y=None):
        seen.append(len(X))

    tok2vec = Model("constant", lambda *args: None, init=init, dims={"nO": 3})
    model = build_bilstm_crf(tok2vec, hidden_width=8, depth=1, dropout=0.0, nO=K)
    model.initialize(X=make_docs() * 5)
    assert seen == [10]


def test_embeddings_anywhere_in_the_tree_gather_from_all_docs():
    embed = build_ngram_embed(width=6)
    tok2vec = chain(embed, list2ragged(), ragged2list())
    tok2vec._dims["nO"] = 12
    model = build_bilstm_crf(tok2vec, hidden_width=8, depth=1, dropout=0.0, nO=K)
    docs = make_docs(["中"] * 20 + ["国"])
    model.initialize(X=docs)
    assert len(embed.attrs["keys"][0]) == 2
    model.initialize(X=make_docs(["人"]))
    assert len(embed.attrs["keys"][0]) == 1
