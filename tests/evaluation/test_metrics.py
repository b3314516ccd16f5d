from itertools import chain

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from spacy.tokens import Doc

from spacy_bilstm_crf.corpus.schemes import get_scheme
from spacy_bilstm_crf.evaluation.metrics import (
    Counts,
    count_named,
    count_overlaps,
    score_entities,
    score_tags,
    tag_docs,
)

NLP = spacy.blank("zh")
TAGS = ("O", "B-PER", "M-PER", "E-PER", "S-LOC")
SENTENCES = st.lists(
    st.lists(
        st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=9
    ),
    min_size=1,
    max_size=5,
)


def make_doc(text, *ents):
    doc = NLP.make_doc(text)
    doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
    return doc


@pytest.fixture
def docs():
    """Two right, one too long, one with another label, one missed, one invented."""
    gold = [
        make_doc("张伟在北京大学工作", (0, 2, "PER"), (3, 7, "ORG")),
        make_doc("李娜和王芳住在上海", (0, 2, "PER"), (3, 5, "PER"), (7, 9, "LOC")),
    ]
    guessed = [
        make_doc("张伟在北京大学工作", (0, 2, "PER"), (3, 9, "ORG")),
        make_doc(
            "李娜和王芳住在上海", (0, 2, "PER"), (2, 3, "PER"), (5, 6, "LOC"), (7, 9, "ORG")
        ),
    ]
    return gold, guessed


def test_an_entity_is_right_if_place_and_label_are(docs):
    scores = score_entities(*docs)
    assert scores.total == Counts(correct=2, guessed=6, gold=5)
    assert scores.total.precision == pytest.approx(2 / 6)
    assert scores.total.recall == pytest.approx(2 / 5)
    assert scores.total.f1 == pytest.approx(4 / 11)


def test_entities_overlap_if_they_share_a_character_and_the_label(docs):
    assert count_overlaps(*docs) == Counts(correct=3, guessed=6, gold=5)


SPANS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["PER", "LOC"])),
    max_size=5,
)


def lay(layout):
    """Spans with gaps between them, without those that end beyond the text."""
    ents, end = [], 0
    for gap, length, label in layout:
        start, end = end + gap, end + gap + length
        ents += [(start, end, label)] if end <= 12 else []
    return ents


def most_pairs(ents, guesses):
    """Try all ways to pair the first guess, and none."""
    if not guesses:
        return 0
    (first, last, label), *rest = guesses
    best = most_pairs(ents, rest)
    for i, (start, end, name) in enumerate(ents):
        if name == label and start < last and first < end:
            best = max(best, 1 + most_pairs(ents[:i] + ents[i + 1 :], rest))
    return best


@given(SPANS, SPANS)
def test_no_pairing_finds_more_overlaps(layout, guessed):
    ents, guesses = lay(layout), lay(guessed)
    text = "一二三四五六七八九十百千"
    counts = count_overlaps([make_doc(text, *ents)], [make_doc(text, *guesses)])
    assert counts == Counts(most_pairs(ents, guesses), len(guesses), len(ents))


def test_entities_are_counted_by_label(docs):
    assert score_entities(*docs).per_label == {
        "LOC": Counts(correct=0, guessed=1, gold=1),
        "ORG": Counts(correct=0, guessed=2, gold=1),
        "PER": Counts(correct=2, guessed=3, gold=3),
    }


def test_the_same_place_in_another_doc_is_not_right():
    gold = [make_doc("张伟", (0, 2, "PER")), make_doc("王芳")]
    guessed = [make_doc("张伟"), make_doc("王芳", (0, 2, "PER"))]
    assert score_entities(gold, guessed).total == Counts(correct=0, guessed=1, gold=1)


def test_entities_are_compared_across_tokenizations():
    gold = make_doc("张伟在北京", (0, 2, "PER"), (3, 5, "LOC"))
    guessed = Doc(NLP.vocab, ["张伟", "在", "北", "京"], [False] * 4)
    guessed.set_ents([guessed.char_span(0, 2, "PER"), guessed.char_span(3, 4, "LOC")])
    assert score_entities([gold], [guessed]).total == Counts(correct=1, guessed=2, gold=2)


def test_what_is_predicted_twice_is_right_once():
    counts = count_named([([("PER", 1), ("PER", 2)], [("PER", 1), ("PER", 1)])])
    assert counts == {"PER": Counts(correct=1, guessed=2, gold=2)}


def test_docs_of_another_number_are_no_match():
    with pytest.raises(ValueError, match="shorter"):
        score_entities([make_doc("张伟")], [])


def test_nothing_to_find_and_nothing_found_scores_0():
    total = score_entities([make_doc("张伟")], [make_doc("张伟")]).total
    assert (total.precision, total.recall, total.f1) == (0.0, 0.0, 0.0)


def test_tags_are_scored_with_o_and_weighted_by_support():
    gold = [["B-PER", "E-PER", "O", "O", "O"], ["S-LOC", "O", "O"]]
    guessed = [["B-PER", "M-PER", "E-PER", "O", "O"], ["O", "O", "O"]]
    scores = score_tags(gold, guessed)
    assert scores.accuracy == pytest.approx(5 / 8)
    # F1 of O is 2 * 4 / (5 + 5), of B-PER 1, of E-PER and S-LOC 0. M-PER has no support.
    assert scores.weighted_f1 == pytest.approx((5 * 0.8 + 1 * 1.0 + 0 + 0) / 8)
    assert scores.per_tag["O"] == Counts(correct=4, guessed=5, gold=5)
    assert scores.per_tag["M-PER"] == Counts(correct=0, guessed=1, gold=0)


@given(SENTENCES)
def test_tag_scores_are_those_of_scikit_learn(sentences):
    gold = [[tag for tag, _ in sentence] for sentence in sentences]
    guessed = [[tag for _, tag in sentence] for sentence in sentences]
    scores = score_tags(gold, guessed)
    gold_column, guessed_column = list(chain(*gold)), list(chain(*guessed))
    assert scores.accuracy == pytest.approx(accuracy_score(gold_column, guessed_column))
    theirs = f1_score(gold_column, guessed_column, average="weighted", zero_division=0)
    assert scores.weighted_f1 == pytest.approx(theirs)


def test_no_tags_score_0():
    scores = score_tags([], [])
    assert (scores.accuracy, scores.weighted_f1, scores.per_tag) == (0.0, 0.0, {})


def test_sentences_of_other_lengths_are_an_error():
    with pytest.raises(ValueError, match="sentence 1 has 2 true tags and 1 predicted"):
        score_tags([["O"], ["O", "O"]], [["O"], ["O"]])


def test_docs_are_tagged_in_the_scheme_of_the_corpus():
    docs = [make_doc("张晓伟在京", (0, 3, "PER"), (4, 5, "LOC"))]
    assert tag_docs(docs, get_scheme("bmes")) == [["B-PER", "M-PER", "E-PER", "O", "S-LOC"]]
    assert tag_docs(docs, get_scheme("bio")) == [["B-PER", "I-PER", "I-PER", "O", "B-LOC"]]
