"""Whatever the text or the Doc, predictions are well-formed, or there is a clear error."""

from pathlib import Path

import numpy
import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_bilstm_crf.model import architecture
from spacy_bilstm_crf.model.batches import PADDED_TOKENS

PIPELINE = Path(__file__).parent / "fixtures" / "saved_model" / "pipeline"
NLP = spacy.load(PIPELINE)
NER = NLP.get_pipe("ner")
TEXT = "安澜，男，汉族，现任星河公司总经理。"
# Whitespace, NUL, marks that combine, right-to-left text, emoji of several parts, and what
# is no character at all.
STRANGE = [
    *(" ", "\t\n", "\x00", "\x85", "\u200b", "\u2028", "\u3000", "\ufeff", "\uffff"),
    *("e\u0301", "\u0301", "\u0e31", "\u202e", "\u05d0\u05d1", "\u0633\u0644"),
    *("🙂", "👨\u200d👩\u200d👧", "👩\U0001f3fd", "\U0001f1e8\U0001f1f3", "\U0010ffff"),
]
texts = st.lists(
    st.one_of(st.sampled_from([*STRANGE, *TEXT, "安澜", "星河公司"]), st.text(max_size=8)),
    max_size=30,
).map("".join)


def read(doc):
    ents = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    return ents, doc.spans["sc"].attrs["scores"]


def check(doc):
    """That all of it is what it should be."""
    end = 0
    for ent in doc.ents:
        assert end <= ent.start < ent.end <= len(doc)
        assert ent.label_ in NER.labels
        end = ent.end
    scores = doc.spans["sc"].attrs["scores"]
    assert len(scores) == len(doc.ents)
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert doc.has_annotation("ENT_IOB") or not len(doc)


@given(texts)
@example("")
@example(" ")
@example("王")
@example("\x00安澜\x00")
@example("".join(STRANGE))
@settings(max_examples=300)
def test_any_text_has_entities_that_are_well_formed(text):
    doc = NLP(text)
    assert doc.text == text
    check(doc)


@given(st.lists(texts, max_size=12), st.integers(1, 5))
@settings(max_examples=50)
def test_any_texts_have_the_entities_that_each_has_alone(batch, batch_size):
    for doc, text in zip(NLP.pipe(batch, batch_size=batch_size), batch, strict=True):
        ents, scores = read(NLP(text))
        assert read(doc)[0] == ents
        numpy.testing.assert_allclose(read(doc)[1], scores, atol=1e-4)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=20))
@settings(max_examples=50)
def test_tokens_of_any_other_kind_have_well_formed_entities(words):
    check(NLP(Doc(NLP.vocab, words=words)))


def test_a_lone_surrogate_is_a_clear_error():
    with pytest.raises(ValueError, match=r"character 2 of the text is a lone surrogate"):
        NLP("安澜\ud83d，男")
    assert read(NLP("安澜😀，男"))[0] == [(0, 2, "NAME")]


def test_a_text_that_is_too_long_is_spacys_error():
    with pytest.raises(ValueError, match="E088"):
        NLP("安" * (NLP.max_length + 1))


def test_a_doc_of_another_vocab_has_the_same_entities():
    vocab = Vocab()
    doc = Doc(vocab, words=list(TEXT), spaces=[False] * len(TEXT))
    assert "TITLE" not in vocab.strings
    # Not the whole pipeline: a ruler's matcher belongs to its vocab.
    expected = NLP.get_pipe("span_ruler")(NLP.make_doc(TEXT))
    doc.spans["words"] = [
        doc.char_span(span.start_char, span.end_char) for span in expected.spans["words"]
    ]
    ents, scores = read(NER(expected))
    assert len(ents) >= 3
    assert read(NER(doc))[0] == ents
    numpy.testing.assert_allclose(read(doc)[1], scores, atol=1e-5)
    assert {ent.label_ for ent in doc.ents} == {label for _, _, label in ents}


def test_a_long_doc_runs_in_bounded_batches(monkeypatch):
    padded = []
    pad, width = architecture.pad, NER.model.get_ref("tok2vec").get_dim("nO")

    def note(flat, batch):
        made = pad(flat, batch)
        # Token vectors, not what is known of tags.
        if made.shape[2] == width:
            padded.append(made.shape[0] * made.shape[1])
        return made

    monkeypatch.setattr(architecture, "pad", note)
    long = TEXT * 1200
    docs = [NLP.make_doc(TEXT) for _ in range(2000)]
    list(NLP.pipe([*docs, long], batch_size=3000))
    # Nobody is padded to the length of the long one, which is alone.
    assert max(padded) <= max(PADDED_TOKENS, len(long))
    assert sum(padded) < 1.1 * len(TEXT) * 3200


def test_predictions_of_other_docs_are_a_clear_error():
    docs = [NLP.make_doc(text) for text in ("安澜", TEXT, "")]
    predictions = [numpy.zeros(len(doc), dtype="int64") for doc in docs]
    for wrong in ([], predictions[:2], [*predictions, predictions[0]], predictions[::-1]):
        with pytest.raises(ValueError, match="predictions of other Docs"):
            NER.set_annotations(docs, wrong)
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs[:2])
    NER.set_annotations(docs, predictions)
    NER.set_annotations([], [])
    assert docs[0].has_annotation("ENT_IOB")


@pytest.fixture
def failed():
    """Those that the error handler was told of."""
    found = []
    NLP.set_error_handler(
        lambda name, pipe, docs, error: found.append((name, [doc.text for doc in docs]))
    )
    yield found
    NLP.set_error_handler(spacy.util.raise_error)


def fail_at(text):
    predict = NER.predict

    def fail(docs):
        if any(doc.text == text for doc in docs):
            raise RuntimeError("cannot be predicted")
        return predict(docs)

    return fail


@pytest.mark.parametrize("batch_size", [1, 8, 100])
def test_one_bad_doc_in_a_stream_loses_that_doc_only(failed, monkeypatch, batch_size):
    stream = [TEXT, "王", "", "安澜", "bad", TEXT, "李", *["张"] * 20]
    good = [text for text in stream if text != "bad"]
    expected = [read(doc) for doc in NLP.pipe(good)]
    monkeypatch.setattr(NER, "predict", fail_at("bad"), raising=False)
    found = list(NLP.pipe(stream, batch_size=batch_size))
    assert [doc.text for doc in found] == good
    assert failed == [("ner", ["bad"])]
    for doc, (ents, scores) in zip(found, expected, strict=True):
        assert read(doc)[0] == ents
        # Not 1, as if its entities had been there before.
        numpy.testing.assert_allclose(read(doc)[1], scores, atol=1e-4)


def test_a_doc_whose_entities_cannot_be_set_loses_nobody_else(failed, monkeypatch):
    expected = [read(NLP(text)) for text in (TEXT, "安澜")]
    set_annotations = NER.set_annotations

    def fail(docs, scores):
        if "bad" in [doc.text for doc in docs]:
            raise RuntimeError("cannot be set")
        set_annotations(docs, scores)

    monkeypatch.setattr(NER, "set_annotations", fail, raising=False)
    found = [read(doc) for doc in NLP.pipe([TEXT, "bad", "安澜"])]
    assert failed == [("ner", ["bad"])]
    for (ents, scores), (others, other_scores) in zip(found, expected, strict=True):
        assert ents == others
        numpy.testing.assert_allclose(scores, other_scores, atol=1e-4)


def test_without_a_handler_a_bad_doc_ends_the_stream_at_once(monkeypatch):
    asked = []
    fail = fail_at("bad")
    monkeypatch.setattr(NER, "predict", lambda d: asked.append(1) or fail(d), raising=False)
    with pytest.raises(RuntimeError, match="cannot be predicted"):
        list(NLP.pipe([TEXT, "安澜", "bad", "王"]))
    assert len(asked) == 1


@pytest.mark.parametrize("handler", [spacy.util.raise_error, lambda *args: None])
def test_what_wraps_set_annotations_is_called_in_a_stream(handler, monkeypatch):
    done = []
    set_annotations = NER.set_annotations

    def wrapped(docs, scores):
        docs = list(docs)
        done.extend(doc.text for doc in docs)
        set_annotations(docs, scores)

    monkeypatch.setattr(NER, "set_annotations", wrapped, raising=False)
    NLP.set_error_handler(handler)
    try:
        found = list(NLP.pipe([TEXT, "安澜"]))
    finally:
        NLP.set_error_handler(spacy.util.raise_error)
    assert done == [doc.text for doc in found] == [TEXT, "安澜"]
