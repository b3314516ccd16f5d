import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.corpus.split import BORDERS, Splitter

ZH = spacy.blank("zh")
TEXT = "甲乙丙。丁\n戊己庚！辛壬\n癸"


def make(text, *ents):
    doc = ZH.make_doc(text)
    spans = [doc.char_span(i, j, "X", alignment_mode="expand") for i, j in ents]
    doc.set_ents(spans, default="outside")
    doc.spans["sc"] = spans
    return doc


def pieces(doc, *args):
    return [piece.text for piece in Splitter(*args)(doc)]


def test_nothing_is_cut_unless_asked():
    assert pieces(make(TEXT), "none", None) == [TEXT]


def test_lines():
    assert pieces(make(TEXT), "newline", None) == [
        *("甲乙丙。丁\n", "戊己庚！辛壬\n", "癸"),
    ]


def test_sentences():
    assert pieces(make("甲乙。丙丁！戊"), "sentence", None) == ["甲乙。", "丙丁！", "戊"]


def test_pieces_are_as_long_as_allowed():
    assert pieces(make(TEXT), "none", 8) == [TEXT[:8], TEXT[8:]]
    assert pieces(make(TEXT), "newline", 13) == ["甲乙丙。丁\n戊己庚！辛壬\n", "癸"]


def test_lines_that_are_too_long_are_cut_between_tokens():
    assert pieces(make(TEXT), "newline", 6) == [
        *("甲乙丙。丁\n", "戊己庚！辛壬", "\n癸"),
    ]


def test_the_cut_moves_before_an_entity():
    doc = make(TEXT, (3, 8))
    first, second = Splitter("newline", None)(doc)
    assert (first.text, second.text) == ("甲乙丙。丁\n戊己庚！辛壬\n", "癸")
    first, *_ = Splitter("none", 5)(doc)
    assert first.text == "甲乙丙"


def test_an_entity_that_is_too_long_stays_whole():
    assert pieces(make(TEXT, (1, 8)), "none", 3) == [
        "甲",
        *("乙丙。丁\n戊己", "庚！辛", "壬\n癸"),
    ]
    assert pieces(make("甲乙丙丁", (0, 4)), "none", 2) == ["甲乙丙丁"]


def test_pieces_keep_annotation_and_spans():
    doc = make(TEXT, (3, 5), (8, 9))
    head, tail = Splitter("none", 8, "sc")(doc)
    assert [ent.text for ent in head.ents] == ["。丁"]
    assert [span.text for span in tail.spans["sc"]] == ["庚"]
    assert all(piece.has_annotation("ENT_IOB") for piece in (head, tail))


def test_pieces_keep_missing_annotation():
    doc = make(TEXT, (3, 5), (8, 9))
    doc.set_ents(doc.ents, missing=[doc[0:2], doc[9:13]], default="outside")
    for max_tokens in (3, 5, 8):
        cut = Splitter("none", max_tokens)(doc)
        assert [token.ent_iob_ for piece in cut for token in piece] == [
            *("", "", "O", "B", "I", "O", "O", "O", "B"),
            *("", "", "", "", "O"),
        ]
        assert [ent.label_ for piece in cut for ent in piece.ents] == ["X", "X"]


def test_spans_are_not_cut_either():
    doc = make(TEXT, (3, 8))
    doc.set_ents([], default="outside")
    assert pieces(doc, "none", 5, "sc")[0] == "甲乙丙"
    assert pieces(doc, "none", 6)[0] == "甲乙丙。丁\n"


@pytest.mark.parametrize("borders", BORDERS)
def test_no_piece_is_blank_or_begins_with_whitespace(borders):
    doc = make("甲。\n \n\n乙。 \n丙")
    parts = pieces(doc, borders, None if borders != "none" else 3)
    assert len(parts) == 3
    assert [part[0] for part in parts] == ["甲", "乙", "丙"]


@pytest.mark.parametrize("text", ["", "甲"])
def test_short_docs_stay(text):
    assert pieces(make(text), "newline", 1) == [text]


def test_unknown_borders_and_sizes_are_clear_errors():
    with pytest.raises(CorpusError, match="Unknown split 'word'"):
        Splitter("word", None)
    with pytest.raises(CorpusError, match="at least 1"):
        Splitter("none", 0)


@given(
    st.text("甲a。 \n", max_size=30),
    st.sampled_from(BORDERS),
    st.none() | st.integers(1, 9),
    st.lists(st.integers(0, 30), max_size=8),
)
def test_no_entity_and_no_character_is_lost(text, borders, max_tokens, edges):
    edges = sorted({edge for edge in edges if edge <= len(text)})
    doc = ZH.make_doc(text)
    spans = [
        doc.char_span(i, j, "X", alignment_mode="expand")
        for i, j in zip(edges[::2], edges[1::2], strict=False)
    ]
    doc.set_ents(spacy.util.filter_spans([s for s in spans if s]), default="outside")
    parts = Splitter(borders, max_tokens)(doc)
    assert "".join(part.text_with_ws for part in parts) == doc.text_with_ws
    found = [ent.text for part in parts for ent in part.ents]
    assert found == [ent.text for ent in doc.ents]
    if max_tokens:
        assert all(
            len(part) <= max_tokens or any(len(e) > 1 for e in part.ents) for part in parts
        )
