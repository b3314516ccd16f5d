import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.notation import (
    LABELS_ALONE,
    NOTATIONS,
    USUAL,
    Notation,
    find_notation,
)
from spacy_bilstm_crf.corpus.schemes import SCHEMES, spans_to_tags, tags_to_spans

TYPE_FIRST = Notation(letter_first=False)
UNDERSCORE = Notation(separator="_")
LOWER = Notation(lower=True)
notations = st.sampled_from(NOTATIONS)
labels = st.sampled_from(["PER", "JOB-TITLE", "job_title", "per", "B", "职位"])


def find(*tags, **how):
    return find_notation(dict.fromkeys(tags, 1), **how)


@given(notations, st.sampled_from("BIMELSUW"), labels)
def test_tags_survive_every_notation(notation, letter, label):
    tag = f"{letter}-{label}"
    assert notation.read(notation.write(tag)) == tag


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), labels)),
    st.sampled_from([*SCHEMES.values()]),
    notations,
)
def test_spans_survive_every_scheme_in_every_notation(entities, scheme, notation):
    spans, end = [], 0
    for gap, length, label in entities:
        start = end + gap + (not scheme.tells_neighbours_apart)
        end = start + length
        spans.append((start, end, label))
    tags = [notation.write(tag) for tag in spans_to_tags(spans, end + 1, scheme)]
    assert tags_to_spans([notation.read(tag) for tag in tags], scheme) == (spans, [])


@given(st.text(max_size=8), notations)
def test_what_is_read_is_read_the_same_from_what_is_written(tag, notation):
    usual = notation.read(tag)
    assert usual is None or notation.read(notation.write(usual)) == usual


@pytest.mark.parametrize(
    ("notation", "tags"),
    [
        (USUAL, "B-PER I-JOB-TITLE B-job_title O"),
        (LOWER, "b-PER i-JOB-TITLE b-job_title o"),
        (UNDERSCORE, "B_PER I_JOB-TITLE B_job_title O"),
        (Notation(separator="_", lower=True), "b_PER i_JOB-TITLE b_job_title o"),
        (TYPE_FIRST, "PER-B JOB-TITLE-I job_title-B O"),
        (Notation(False, lower=True), "PER-b JOB-TITLE-i job_title-b o"),
        (Notation(False, "_"), "PER_B JOB-TITLE_I job_title_B O"),
        (Notation(False, "_", True), "PER_b JOB-TITLE_i job_title_b o"),
    ],
)
def test_notation_is_found_and_read(notation, tags):
    assert find(*tags.split()) == notation
    usual = [notation.read(tag) for tag in tags.split()]
    assert usual == ["B-PER", "I-JOB-TITLE", "B-job_title", "O"]


def test_capital_o_is_read_among_small_letters():
    assert LOWER.read("O") == "O"


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize(
    "tag", ["", "B", "B-", "-B", "B_", "_B", "X-PER", "PER", "-", "Ｂ-PER"]
)
def test_what_is_no_tag_is_not_read(notation, tag):
    assert notation.read(tag) is None


def test_letter_of_the_other_case_is_not_read():
    assert USUAL.read("b-PER") is None
    assert LOWER.read("B-PER") is None


@pytest.mark.parametrize(
    ("tag", "usual"),
    [
        ("MM_O", "O"),
        ("BB_O_PER", "O-PER"),
        ("EE_O_JOB_TITLE", "O-JOB_TITLE"),
        ("WW_O_BOS", "O-BOS"),
        ("B_PER", "B-PER"),
        ("PER_O", "O-PER"),
        ("O_PER", "O-PER"),
        ("BB_OUT", None),
    ],
)
def test_tags_of_lingpipe_are_read(tag, usual):
    assert UNDERSCORE.read(tag) == usual


def test_letter_comes_first_if_both_ends_could_be_one():
    assert find("B-E", "E-E", "O") == USUAL


def test_most_tags_decide_not_most_kinds_of_tag():
    assert find_notation({"PER-B": 9, "B-PER": 1, "I-PER": 1}) == TYPE_FIRST


def test_word_that_looks_like_a_tag_does_not_make_a_notation():
    assert find("e-mail", "home", "page") == USUAL


def test_labels_alone_are_read_only_on_demand():
    assert find("PER", "JOB-TITLE", "O") == USUAL
    assert find("PER", "JOB-TITLE", "O", labels_alone=True) == LABELS_ALONE
    assert LABELS_ALONE.read("JOB-TITLE") == "I-JOB-TITLE"
    assert LABELS_ALONE.write("I-JOB-TITLE") == "JOB-TITLE"
    assert LABELS_ALONE.read("O") == "O"
    assert LABELS_ALONE.read("") is None


def test_tags_with_letters_are_no_labels_alone():
    assert find("I-PER", "I-JOB-TITLE", "O", labels_alone=True) == USUAL
    assert LABELS_ALONE.read("I-PER") == "I-PER"
