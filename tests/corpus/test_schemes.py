import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.schemes import (
    SCHEMES,
    detect_scheme,
    get_scheme,
    spans_to_tags,
    split_tag,
    tags_legal,
    tags_to_spans,
)
from spacy_bilstm_crf.corpus.sentence import CorpusError

LABELS = ("PER", "ORG", "JOB-TITLE")
# Everything that a decoder may meet, in any order.
TAGS = ["O", "X-PER", "B-", "", *(f"{x}-{label}" for x in "BIMELSUW" for label in LABELS)]
schemes = st.sampled_from(list(SCHEMES.values()))


@st.composite
def spans_over_tokens(draw):
    """Spans without overlaps, often adjacent ones with the same label."""
    spans, end = [], 0
    for gap, length, label in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(LABELS)))
    ):
        start = end + gap
        end = start + length
        spans.append((start, end, label))
    return spans, end + draw(st.integers(0, 2))


def letters(spans, length, scheme):
    return [tag[0] for tag in spans_to_tags(spans, length, SCHEMES[scheme])]


@given(spans_over_tokens(), schemes)
def test_spans_survive_writing_and_reading(sentence, scheme):
    spans, length = sentence
    assert tags_to_spans(spans_to_tags(spans, length, scheme), scheme) == (spans, [])


@given(st.lists(st.sampled_from(TAGS), max_size=12), schemes)
def test_any_tags_give_valid_spans(tags, scheme):
    spans, _ = tags_to_spans(tags, scheme)
    borders = [border for start, end, _ in spans for border in (start, end)]
    assert borders == sorted(borders)
    assert all(0 <= start < end <= len(tags) for start, end, _ in spans)
    covered = {i for start, end, _ in spans for i in range(start, end)}
    known = {i for i, tag in enumerate(tags) if split_tag(tag) not in (None, ("O", ""))}
    assert covered == known
    assert all(tags[i].endswith(f"-{label}") for i, _, label in spans)


@given(st.lists(st.sampled_from(TAGS), max_size=12), schemes)
def test_tags_are_legal_if_and_only_if_nothing_is_repaired(tags, scheme):
    _, repairs = tags_to_spans(tags, scheme)
    assert tags_legal(tags, scheme) == (not repairs)


@given(st.lists(st.sampled_from(TAGS), max_size=12), schemes)
def test_repaired_tags_are_legal_and_give_the_same_spans(tags, scheme):
    spans, repairs = tags_to_spans(tags, scheme)
    for repair in repairs:
        assert tags[repair.index] == repair.before != repair.after
        tags[repair.index] = repair.after
    assert tags_to_spans(tags, scheme) == (spans, [])


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_spans_do_not_depend_on_the_scheme(tags):
    results = [tags_to_spans(tags, scheme)[0] for scheme in SCHEMES.values()]
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("bio", "BIIOBB"),
        ("iob1", "IIIOIB"),
        ("bioes", "BIEOSS"),
        ("bmes", "BMEOSS"),
        ("bilou", "BILOUU"),
        ("bmewo", "BMEOWW"),
    ],
)
def test_each_scheme_writes_its_own_letters(scheme, expected):
    spans = [(0, 3, "PER"), (4, 5, "LOC"), (5, 6, "LOC")]
    assert "".join(letters(spans, 6, scheme)) == expected


def test_iob1_writes_b_only_between_entities_of_one_label():
    spans = [(0, 1, "PER"), (1, 2, "LOC"), (2, 4, "LOC")]
    assert "".join(letters(spans, 4, "iob1")) == "IIBI"


def test_label_begins_after_the_first_hyphen():
    assert split_tag("B-JOB-TITLE") == ("B", "JOB-TITLE")


@pytest.mark.parametrize("tag", ["X-PER", "B", "B-", "-PER", "", "PER", "b-PER", "O-PER"])
def test_what_is_no_tag_is_read_as_outside(tag):
    spans, [repair] = tags_to_spans(["B-PER", tag], SCHEMES["bio"])
    assert spans == [(0, 1, "PER")]
    assert (repair.index, repair.kind, repair.after) == (1, "unknown-tag", "O")


def test_entity_left_open_at_the_end_is_closed_there():
    spans, [repair] = tags_to_spans(["B-PER", "M-PER"], SCHEMES["bmes"])
    assert spans == [(0, 2, "PER")]
    assert (repair.index, repair.before, repair.after) == (1, "M-PER", "E-PER")
    assert "left open" in repair.why


def test_entity_cut_by_another_is_closed_where_it_stands():
    spans, [repair] = tags_to_spans(["B-PER", "S-ORG"], SCHEMES["bioes"])
    assert spans == [(0, 1, "PER"), (1, 2, "ORG")]
    assert (repair.index, repair.after) == (0, "S-PER")


def test_tag_that_cannot_continue_starts_an_entity():
    spans, [repair] = tags_to_spans(["O", "M-PER", "E-PER"], SCHEMES["bmes"])
    assert spans == [(1, 3, "PER")]
    assert (repair.index, repair.after) == (1, "B-PER")


@pytest.mark.parametrize("closing", ["E-PER", "S-PER"])
def test_nothing_continues_an_entity_that_is_closed(closing):
    spans, _ = tags_to_spans(["B-PER", closing, "E-PER", "I-PER"], SCHEMES["bioes"])
    assert [end for _, end, _ in spans][-2:] == [3, 4]


def test_letter_of_another_scheme_is_a_repair():
    spans, repairs = tags_to_spans(["B-PER", "M-PER", "E-PER"], SCHEMES["bio"])
    assert spans == [(0, 3, "PER")]
    assert [repair.why for repair in repairs] == ["bio has no M-", "bio has no E-"]


@given(st.lists(spans_over_tokens(), min_size=1), schemes)
def test_detected_scheme_needs_no_repair(sentences, scheme):
    tags = [spans_to_tags(spans, length, scheme) for spans, length in sentences]
    detected = detect_scheme(tags)
    assert all(tags_legal(sentence, detected.scheme) for sentence in tags)
    assert detected.known == sum(map(len, tags))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_scheme_is_detected_despite_some_broken_tags(scheme):
    spans = [(0, 3, "PER"), (3, 4, "PER"), (4, 6, "PER"), (7, 8, "ORG")]
    tags = [spans_to_tags(spans, 8, SCHEMES[scheme])] * 100
    # Many kinds of fault, each of them rare.
    broken = [
        spans_to_tags([(0, 4, label), (4, 5, label)], 5, other)
        for other in SCHEMES.values()
        for label in "ABCDEFG"
    ]
    assert detect_scheme([*broken, *tags]).scheme.name == scheme


def test_evidence_shows_letters_and_the_next_best_scheme():
    # BMEWO fits these tags just as well: that says nothing.
    evidence = detect_scheme([["B-PER", "M-PER", "E-PER", "O"]]).evidence
    assert evidence == (
        "letters B 1, E 1, M 1; illegal transitions: bmes 0, next best bioes 1"
    )


def test_unknown_scheme_is_an_error_that_lists_the_known_ones():
    with pytest.raises(CorpusError, match=r"'bieos'.*bioes"):
        get_scheme("bieos")
