import re

import pytest
import spacy
from hypothesis import example, given
from hypothesis import strategies as st
from spacy.tokenizer import Tokenizer

from spacy_bilstm_crf.corpus.docs import UNSPACED_LANGS, make_doc
from spacy_bilstm_crf.corpus.sentence import EntitySpan, Record, Sentence

ZH = spacy.blank("zh")
EN = spacy.blank("en")
# A Chinese pipeline whose tokens are longer than a character.
CLAUSES = spacy.blank("zh")
CLAUSES.tokenizer = Tokenizer(CLAUSES.vocab, infix_finditer=re.compile("，").finditer)


def sentence(tokens, *spans):
    """Each entity stands on the line of its number."""
    entities = [EntitySpan(*span, line) for line, span in enumerate(spans, 1)]
    return Sentence(tokens, entities, "f", 1)


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def iobs(doc):
    return [token.ent_iob_ for token in doc]


def test_languages_without_spaces_are_joined_without_spaces():
    doc, records = make_doc(sentence("在南湖大学", (1, 5, "ORG")), ZH)
    assert (doc.text, ents(doc)) == ("在南湖大学", [("南湖大学", "ORG")])
    assert not records


def test_other_languages_are_joined_with_single_spaces():
    tokens = ["He", "left", "New", "Haven", "."]
    doc, records = make_doc(sentence(tokens, (2, 4, "LOC")), EN)
    assert (doc.text, ents(doc)) == ("He left New Haven .", [("New Haven", "LOC")])
    assert not records


def test_korean_is_spaced_though_its_writing_system_looks_like_chinese():
    korean = spacy.util.get_lang_class("ko").Defaults.writing_system
    assert korean == ZH.Defaults.writing_system
    assert "ko" not in UNSPACED_LANGS


def test_tokens_that_the_tokenizer_cuts_are_found_by_offset():
    tokens = ["(Oslo)", "isn't", "Lima"]
    doc, records = make_doc(sentence(tokens, (1, 2, "X"), (2, 3, "LOC")), EN)
    assert [token.text for token in doc] == ["(", "Oslo", ")", "is", "n't", "Lima"]
    assert ents(doc) == [("isn't", "X"), ("Lima", "LOC")]
    assert not records


def test_doc_without_entities_counts_as_annotated():
    doc, _ = make_doc(sentence("中"), ZH)
    assert doc.has_annotation("ENT_IOB")


def test_entity_within_a_token_is_widened_and_recorded():
    doc, [record] = make_doc(sentence("在，青川市", (2, 4, "LOC")), CLAUSES)
    assert ents(doc) == [("青川市", "LOC")]
    assert (record.kind, record.line) == ("span-expanded", 1)
    assert (record.before, record.after, record.label) == ("青川", "青川市", "LOC")


def test_entity_that_cannot_be_widened_is_dropped_and_recorded():
    spans = [(0, 2, "LOC"), (2, 3, "UNIT"), (4, 5, "LOC")]
    doc, records = make_doc(sentence("青川市，沪", *spans), CLAUSES)
    assert ents(doc) == [("青川市", "LOC"), ("沪", "LOC")]
    assert [r.kind for r in records] == ["span-expanded", "entity-dropped"]
    assert (records[1].line, records[1].before, records[1].label) == (2, "市", "UNIT")


def test_whitespace_at_the_edge_of_an_entity_is_cut_off_and_recorded():
    doc, [record] = make_doc(sentence("在 青川\u3000", (1, 5, "LOC")), ZH)
    assert ents(doc) == [("青川", "LOC")]
    assert (record.kind, record.before, record.after) == (
        *("span-trimmed", " 青川\u3000", "青川"),
    )


def test_entity_of_whitespace_is_dropped_and_recorded():
    doc, [record] = make_doc(sentence("在\u3000", (1, 2, "LOC")), ZH)
    assert (ents(doc), record.kind) == ([], "entity-dropped")


def test_text_is_never_joined_by_spaces():
    doc, records = make_doc(sentence("He left New Haven.", (8, 17, "LOC")), EN)
    assert (doc.text, ents(doc)) == ("He left New Haven.", [("New Haven", "LOC")])
    assert not records


NESTED = [(0, 2, "LOC"), (0, 4, "ORG"), (3, 6, "LOC"), (0, 4, "FAC")]


def test_of_overlapping_entities_the_longest_and_then_the_first_is_kept():
    doc, records = make_doc(sentence("南湖大学食堂", *NESTED), ZH)
    assert ents(doc) == [("南湖大学", "ORG")]
    assert {(r.line, r.before, r.label, r.kind) for r in records} == {
        (1, "南湖", "LOC", "entity-dropped"),
        (3, "学食堂", "LOC", "entity-dropped"),
        (4, "南湖大学", "FAC", "entity-dropped"),
    }
    by_line = {r.line: r.why for r in records}
    assert "overlaps a longer one, ORG (line 2)" in by_line[1]
    assert "labelled ORG too (line 2)" in by_line[4]


def test_spans_key_keeps_overlapping_entities():
    doc, records = make_doc(sentence("南湖大学食堂", *NESTED), ZH, "sc")
    assert ents(doc) == [("南湖大学", "ORG")]
    assert [(span.text, span.label_) for span in doc.spans["sc"]] == [
        *(("南湖", "LOC"), ("南湖大学", "ORG"), ("南湖大学", "FAC"), ("学食堂", "LOC")),
    ]
    assert not records


def test_whitespace_at_its_edges_makes_no_entity_longer():
    spans = [(3, 9, "A"), (0, 4, "B")]
    doc, [record] = make_doc(sentence("南湖大学     好", *spans), ZH)
    assert ents(doc) == [("南湖大学", "B")]
    assert (record.line, record.kind) == (1, "entity-dropped")


@example(text="a\naa", spans=[(1, 3, "X"), (2, 4, "X")])
@given(
    st.text("南湖ab \n\u3000", min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from("XY"))),
)
def test_ents_are_those_that_spacy_would_filter(text, spans):
    spans = [span for span in spans if span[0] < span[1] <= len(text)]
    doc, _ = make_doc(sentence(text, *spans), ZH, "all")
    plain, dropped = make_doc(sentence(text, *spans), ZH)
    assert ents(doc) == ents(plain)
    kinds = [record.kind for record in dropped]
    assert len(spans) == len(plain.ents) + kinds.count("entity-dropped")
    # spaCy measures in tokens: the same where each is one character. Of two labels
    # for one text it keeps the last, this project the first.
    if [token.text for token in doc] == list(text):
        filtered = spacy.util.filter_spans(doc.spans["all"])
        assert [(e.start, e.end) for e in plain.ents] == [
            (e.start, e.end) for e in filtered
        ]


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("none", ["OBIO", "OO"]),
        ("empty", ["OBIO", "--"]),
        ("outside", ["-BI-", "--"]),
    ],
)
def test_tokens_can_be_marked_as_not_annotated(missing, expected):
    sentences = [sentence("在南湖边", (1, 3, "LOC")), sentence("你好")]
    docs = [make_doc(each, ZH, missing=missing)[0] for each in sentences]
    assert ["".join(iob or "-" for iob in iobs(doc)) for doc in docs] == expected


def test_a_sentence_whose_entity_was_dropped_is_annotated():
    record = Record("f", 1, "entity-dropped", "in two parts", label="LOC")
    one = Sentence("在南湖边", [], "f", 1, [record])
    assert iobs(make_doc(one, ZH, missing="empty")[0]) == ["O"] * 4
    whitespace = sentence("在 边", (1, 2, "LOC"))
    assert "" not in iobs(make_doc(whitespace, ZH, missing="empty")[0])
