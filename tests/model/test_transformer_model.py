import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import huggingface_hub
import numpy
import pytest
import spacy
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy_transformers.layers import split_trf_batch, trfs2arrays
from spacy_transformers.span_getters import get_strided_spans
from thinc.api import chain, reduce_mean

from spacy_bilstm_crf.model import transformer_shim
from spacy_bilstm_crf.model.transformer import build_transformer
from spacy_bilstm_crf.model.transformer_model import replace_listener_cfg
from spacy_bilstm_crf.model.wordpieces import split_tokens

NLP = spacy.blank("zh")
# Digits, Latin words, emoji, unknown characters, line breaks, U+3000, U+200B, U+FEFF, a
# combining mark, and what is spelled like the end of a text.
TEXTS = [
    "2017年5月",
    "ababab the 我们",
    "中😀😀國",
    "我\n们\n\n张\u3000\u3000伟 在",
    "a\u200b\u200bb\ufeff",
    "e\u0301e\u0301",
    "[SEP]我[UNK]",
    "<s>a</s>",
]
ALPHABET = "".join(sorted({*"".join(TEXTS)})) + "#▁"


def make_long_doc():
    # Squares: it does not repeat itself, and has parts that a tokenizer would join.
    characters = "张伟在我们公司ab20"
    text = "".join(characters[i * i % 97 % len(characters)] for i in range(5_000))
    return NLP.make_doc(text)


def pool(model):
    """RETURNS (Model): It gives a vector per token."""
    return chain(chain(model, split_trf_batch()), trfs2arrays(reduce_mean(), 1.0))


def read_pieces(data):
    """RETURNS (List[int]): The ids of all tokens' pieces, as one Doc's output has them."""
    ids = data.wordpieces.input_ids.ravel()
    return ids[data.align.dataXd.ravel()].tolist()


def assert_pieces_of_their_own(docs, batch):
    """Every token has pieces, no piece is of two tokens, and those around a text and in its
    padding are of none."""
    for doc, data in zip(docs, batch.doc_data, strict=True):
        pieces = data.align.dataXd.ravel().tolist()
        assert len(data.align.lengths) == len(doc)
        assert (data.align.lengths > 0).all(), "a token without a piece"
        assert len(pieces) == len(set(pieces)), "a piece of two tokens"
        num_columns = data.wordpieces.input_ids.shape[1]
        for row, length in enumerate(data.wordpieces.lengths):
            for column in (0, *range(length - 1, num_columns)):
                assert row * num_columns + column not in pieces


def count_lost(docs, batch, tokenizer):
    """RETURNS (Tuple[int, int]): How many tokens have no pieces, and how many of the pieces
    that they should have stand nowhere."""
    lengths = [length for data in batch.doc_data for length in data.align.lengths]
    found = [piece for data in batch.doc_data for piece in read_pieces(data)]
    return lengths.count(0), len(split_tokens(tokenizer, docs).ids) - len(found)


def assert_close(ones, others):
    for one, other in zip(ones, others, strict=True):
        if len(one) + len(other):
            numpy.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", TEXTS)
def test_every_token_has_pieces_of_its_own(objects, make_model, text):
    # Tokens are characters, or the text is one.
    docs = [NLP.make_doc(text), Doc(NLP.vocab, words=[text])]
    assert_pieces_of_their_own(docs, make_model(objects).predict(docs))


@pytest.mark.parametrize(
    ("kind", "text"),
    [*(("bert", text) for text in TEXTS[:-1]), ("byte-level bpe", TEXTS[-1])],
)
def test_the_stock_model_has_other_pieces(make_objects, make_stock_model, kind, text):
    model = make_stock_model(make_objects(kind))
    docs = [NLP.make_doc(text)]
    with pytest.raises(AssertionError):
        assert_pieces_of_their_own(docs, model.predict(docs))


@settings(max_examples=50)
@given(texts=st.lists(st.text(ALPHABET, max_size=12), max_size=3))
def test_the_pieces_are_those_of_the_tokens(objects, make_model, texts):
    docs = [NLP.make_doc(text) for text in texts]
    batch = make_model(objects, 4, 2).predict(docs)
    found = [piece for data in batch.doc_data for piece in read_pieces(data)]
    assert found == split_tokens(objects.tokenizer, docs).ids.tolist()
    assert read_pieces(batch) == found
    assert_pieces_of_their_own(docs, batch)


@pytest.mark.parametrize("text", ["2017", "2222", "abab", "😀😀", "國國", "\n\n"])
def test_neighbours_have_different_vectors(objects, make_model, text):
    doc = Doc(NLP.vocab, words=[*text], spaces=[False] * len(text))
    (vectors,) = pool(make_model(objects)).predict([doc])
    assert all(abs(numpy.diff(vectors, axis=0)).max(axis=1) > 0.01)


def test_neighbours_in_the_stock_model_do_not(make_objects, make_stock_model):
    model = pool(make_stock_model(make_objects("bert")))
    (vectors,) = model.predict([NLP.make_doc("2017")])
    assert abs(numpy.diff(vectors, axis=0)).max() == 0


@pytest.mark.parametrize("kind", ["bert", "byte-level bpe"])
@pytest.mark.parametrize("max_length", [512, int(1e30)])
@pytest.mark.parametrize(("window", "stride"), [(384, 288), (2000, 2000), (5000, 5000)])
def test_no_piece_of_a_long_doc_is_lost(
    make_objects, make_model, kind, max_length, window, stride
):
    objects = make_objects(kind, max_length=max_length)
    docs = [make_long_doc()]
    batch = make_model(objects, window, stride).predict(docs)
    assert count_lost(docs, batch, objects.tokenizer) == (0, 0)
    assert max(batch.wordpieces.lengths) <= 512
    assert read_pieces(batch) == split_tokens(objects.tokenizer, docs).ids.tolist()


def test_the_stock_model_loses_some(make_objects, make_stock_model):
    objects = make_objects("bert")
    docs = [make_long_doc()]
    batch = make_stock_model(objects, 2000, 2000).predict(docs)
    no_pieces, lost = count_lost(docs, batch, objects.tokenizer)
    assert no_pieces > 3000
    assert lost > 3000


@pytest.mark.parametrize("kind", ["bert", "byte-level bpe"])
def test_a_token_that_is_longer_than_the_limit(make_objects, make_model, caplog, kind):
    objects = make_objects(kind)
    # To BERT this is a word for each character.
    doc = Doc(NLP.vocab, words=["a", "我" * 1500, "b"], spaces=[True] * 3)
    batch = make_model(objects, get_spans=lambda docs: [[doc[:]]]).predict([doc])
    assert_pieces_of_their_own([doc], batch)
    assert count_lost([doc], batch, objects.tokenizer) == (0, 0)
    assert batch.align.lengths[1] >= 1500
    assert max(batch.wordpieces.lengths) == 512
    # The tokenizer would say that it "will result in indexing errors".
    assert caplog.text == ""


def test_a_row_may_be_as_long_as_the_limit(make_objects, make_model):
    for kind in ("bert", "byte-level bpe"):
        model = make_model(make_objects(kind, max_length=int(1e30)), 600, 600)
        assert model.predict([NLP.make_doc("a" * 510)]).wordpieces.lengths == [512]
        assert model.predict([NLP.make_doc("a" * 511)]).wordpieces.lengths == [257, 258]


def test_the_mean_over_windows_is_what_the_stock_model_gives(
    make_objects, make_model, make_stock_model
):
    # Both split it alike.
    docs = [NLP.make_doc("张伟在我们公司" * 9), NLP.make_doc("我们")]
    model = make_model(make_objects("bert"), 20, 15, overlap="mean")
    stock = make_stock_model(make_objects("bert"), 20, 15)
    vectors = pool(model).predict(docs)
    assert_close(vectors, pool(stock).predict(docs))
    context = make_model(make_objects("bert"), 20, 15, overlap="context")
    assert abs(pool(context).predict(docs)[0] - vectors[0]).max() > 0.01


@pytest.mark.parametrize("overlap", ["context", "mean"])
def test_a_doc_has_the_same_vectors_in_any_batch(objects, make_model, overlap):
    docs = [NLP.make_doc(text) for text in [*TEXTS, "", "我们公司2017" * 5, "", "\n"]]
    docs += docs[-4:]
    model = pool(make_model(objects, 8, 5, overlap=overlap))
    expected = [model.predict([doc])[0] if len(doc) else [] for doc in docs]
    assert [len(vectors) for vectors in expected] == [len(doc) for doc in docs]
    assert_close(model.predict(docs), expected)
    assert_close(model.predict(docs[::-1]), expected[::-1])


def test_batches_without_tokens(objects, make_model):
    model = make_model(objects)
    empty = NLP.make_doc("")
    for docs in ([], [empty], [empty, empty]):
        assert len(model.predict(docs).doc_data) == len(docs)
        batch, backprop = model.begin_update(docs)
        assert backprop(batch) == docs


def test_eight_threads_find_what_one_finds(objects, make_model):
    model = pool(make_model(objects, 8, 5))
    docs = [NLP.make_doc(text) for text in TEXTS]
    docs += [Doc(NLP.vocab, words=[text]) for text in TEXTS]
    expected = [model.predict([doc])[0] for doc in docs]
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda doc: model.predict([doc])[0], docs * 8)
    assert_close(found, expected * 8)


def test_vectors_and_gradients_in_bfloat16_are_float32_outside(
    make_objects, make_model, monkeypatch
):
    monkeypatch.setattr(transformer_shim, "cpu_has_bfloat16", lambda: True)
    docs = [NLP.make_doc(text) for text in TEXTS]
    exact, reduced = (
        make_model(make_objects("bert", hidden_dropout_prob=0.0), precision=precision)
        for precision in ("float32", "bfloat16")
    )
    batch, _ = reduced.begin_update(docs)
    assert batch.model_output.last_hidden_state.dtype == torch.float32
    assert batch.doc_data[0].model_output.last_hidden_state.dtype == numpy.float32
    for ones, others in zip(
        pool(reduced).predict(docs), pool(exact).predict(docs), strict=True
    ):
        assert ones.dtype == numpy.float32
        assert 0 < abs(ones - others).max() < 0.1
    vectors, backprop = pool(reduced).begin_update(docs)
    backprop([numpy.ones_like(rows) for rows in vectors])
    gradients = [p.grad for p in reduced.layers[0].shims[0]._model.parameters()]
    assert {gradient.dtype for gradient in gradients if gradient is not None} == {
        torch.float32
    }


def test_a_model_that_is_not_initialized():
    with pytest.raises(ValueError, match="no weights yet: initialize the pipeline or load"):
        build().predict([NLP.make_doc("我们")])


def build(name="", overlap="context", **settings):
    get_spans = partial(get_strided_spans, window=6, stride=4)
    return build_transformer(name, get_spans, overlap=overlap, **settings)


@pytest.mark.parametrize("use_fast", [True, False])
def test_vectors_are_the_same_after_a_reload(bert, use_fast):
    model = build(str(bert), tokenizer_config={"use_fast": use_fast})
    model.initialize()
    assert model.layers[0].shims[0]._hfmodel.tokenizer.is_fast == use_fast
    assert model.get_dim("nO") == 32
    docs = [NLP.make_doc(text) for text in TEXTS]
    expected = pool(model).predict(docs)
    loaded = build("").from_bytes(model.to_bytes())
    assert_close(pool(loaded).predict(docs), expected)
    # It was loaded, and there is nothing under that name.
    loaded.initialize()
    assert_close(pool(pickle.loads(pickle.dumps(model))).predict(docs), expected)


def test_overlap_is_that_of_the_config_and_not_of_what_is_loaded(bert):
    model = build(str(bert), overlap="context")
    model.initialize()
    docs = [NLP.make_doc("我们公司2017" * 3)]
    mean = build(overlap="mean").from_bytes(model.to_bytes())
    assert (mean.predict(docs).align.lengths == 2).any()
    assert (model.predict(docs).align.lengths == 1).all()


def test_a_copy_has_the_same_vectors_and_weights_of_its_own(make_objects, make_model):
    model = make_model(make_objects("bert"), 6, 4)
    docs = [NLP.make_doc(text) for text in TEXTS]
    expected = pool(model).predict(docs)
    copied = model.copy().copy()
    assert_close(pool(copied).predict(docs), expected)
    assert copied.layers[0].shims[0].id != model.layers[0].shims[0].id
    for parameter in copied.layers[0].shims[0]._model.parameters():
        parameter.data.zero_()
    assert_close(pool(model).predict(docs), expected)


@pytest.fixture
def offline(monkeypatch):
    """As with HF_HUB_OFFLINE=1, which is read at the first import."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(transformers.utils.hub, "_is_offline_mode", True)


@pytest.mark.parametrize(
    "name", ["no/such", "no such", "/no/such", "", str(Path(__file__).parent)]
)
def test_a_name_that_cannot_be_loaded(offline, name):
    model = build(name)
    message = re.escape(f"the transformer {name!r} cannot be loaded: give the folder of")
    with pytest.raises(ValueError, match=message) as raised:
        model.initialize()
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600
    assert not model.attrs["has_transformer"]


def test_config_of_what_replaces_a_listener():
    transformer = {"@architectures": "X", "name": "x", "precision": "float16"}
    listener = {"@architectures": "Y", "pooling": {"@layers": "Z"}, "upstream": "*"}
    expected = {
        "@architectures": "spacy-bilstm-crf.Tok2VecTransformer.v1",
        "name": "x",
        "precision": "float16",
        "pooling": {"@layers": "Z"},
    }
    assert replace_listener_cfg(transformer, listener) == expected
    listener["grad_factor"] = 0.5
    expected["grad_factor"] = 0.5
    assert replace_listener_cfg(transformer, listener) == expected
