import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.schemes import (
    ALIASES,
    SCHEMES,
    get_scheme,
    spans_to_tags,
    split_tag,
    tags_to_spans,
)
from spacy_bilstm_crf.corpus.sentence import CorpusError

LABELS = ("PER", "ORG", "JOB-TITLE")
# Everything that a decoder may meet, in any order.
TAGS = [
    *("O", "X-PER", "B-", "", "BOS-O", "JOB-TITLE-O", "O-JOB-TITLE", "O-EOS"),
    *(f"{letter}-{label}" for letter in "BIMELSUW" for label in LABELS),
]
schemes = st.sampled_from(list(SCHEMES.values()))
# All but plain IO.
exact_schemes = schemes.filter(lambda scheme: scheme.tells_neighbours_apart)


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


@given(spans_over_tokens(), exact_schemes)
def test_spans_survive_writing_and_reading(sentence, scheme):
    spans, length = sentence
    assert tags_to_spans(spans_to_tags(spans, length, scheme), scheme) == (spans, [])


@given(spans_over_tokens(), schemes, schemes)
def test_spans_survive_the_way_through_two_schemes(sentence, first, second):
    spans, length = sentence
    if not (first.tells_neighbours_apart and second.tells_neighbours_apart):
        spans = [span for i, span in enumerate(spans) if i % 2]
    for scheme in (first, second):
        found, repairs = tags_to_spans(spans_to_tags(spans, length, scheme), scheme)
        assert (found, repairs) == (spans, [])


def test_io_joins_adjacent_entities_of_one_label():
    spans = [(0, 2, "PER"), (2, 3, "PER"), (3, 4, "LOC")]
    tags = spans_to_tags(spans, 4, SCHEMES["io"])
    assert tags == ["I-PER", "I-PER", "I-PER", "I-LOC"]
    assert tags_to_spans(tags, SCHEMES["io"]) == ([(0, 3, "PER"), (3, 4, "LOC")], [])


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_know_whether_they_join_adjacent_entities(name):
    spans = [(0, 1, "PER"), (1, 2, "PER")]
    tags = spans_to_tags(spans, 2, SCHEMES[name])
    kept = tags_to_spans(tags, SCHEMES[name])[0] == spans
    assert SCHEMES[name].tells_neighbours_apart == kept


@given(st.lists(st.sampled_from(TAGS), max_size=12), schemes)
def test_any_tags_give_valid_spans(tags, scheme):
    spans, _ = tags_to_spans(tags, scheme)
    borders = [border for start, end, _ in spans for border in (start, end)]
    assert borders == sorted(borders)
    assert all(0 <= start < end <= len(tags) for start, end, _ in spans)
    covered = {i for start, end, _ in spans for i in range(start, end)}
    known = {i for i, tag in enumerate(tags) if (split_tag(tag) or "O")[0] != "O"}
    assert covered == known
    assert all(tags[i].endswith(f"-{label}") for i, _, label in spans)


def test_o_of_bmewo_plus_says_what_is_beside_it():
    # The example with which LingPipe introduced the scheme, in our notation.
    tags = spans_to_tags([(3, 7, "PER"), (9, 10, "LOC")], 11, SCHEMES["bmewo+"])
    assert " ".join(tags) == (
        "BOS-O O O-PER B-PER M-PER M-PER E-PER PER-O O-LOC W-LOC O-EOS"
    )


@pytest.mark.parametrize(
    ("spans", "length", "expected"),
    [
        ([], 1, "O-EOS"),
        ([], 2, "BOS-O O-EOS"),
        ([(1, 2, "LOC")], 2, "O-LOC W-LOC"),
        ([(0, 1, "PER")], 2, "W-PER O-EOS"),
        ([(0, 1, "PER")], 3, "W-PER PER-O O-EOS"),
        ([(0, 1, "PER"), (2, 3, "LOC")], 3, "W-PER O-LOC W-LOC"),
    ],
)
def test_what_comes_next_types_an_o_rather_than_what_came_before(spans, length, expected):
    assert " ".join(spans_to_tags(spans, length, SCHEMES["bmewo+"])) == expected


@pytest.mark.parametrize("label", ["B", "B-CELL", "O"])
def test_typed_o_is_never_read_as_an_entity(label):
    spans = [(0, 1, label), (3, 4, label)]
    tags = spans_to_tags(spans, 5, SCHEMES["bmewo+"])
    assert tags_to_spans(tags, SCHEMES["bmewo+"]) == (spans, [])


def test_context_of_an_o_is_never_repaired_in_bmewo_plus():
    tags = ["O", "O-EOS", "W-PER", "O", "BOS-O", "LOC-O"]
    assert tags_to_spans(tags, SCHEMES["bmewo+"]) == ([(2, 3, "PER")], [])


@pytest.mark.parametrize("tag", ["O-PER", "PER-O"])
def test_o_with_a_label_is_a_repair_in_other_schemes(tag):
    spans, [repair] = tags_to_spans(["B-PER", tag], SCHEMES["bio"])
    assert spans == [(0, 1, "PER")]
    assert (repair.kind, repair.after) == ("illegal-tag", "O")
    assert repair.why == "bio has no O with a label"


@given(st.lists(st.sampled_from(TAGS), max_size=12), exact_schemes)
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
        ("io", "IIIOII"),
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


@pytest.mark.parametrize(
    "tag", ["X-PER", "B", "B-", "-PER", "", "PER", "b-PER", "O-", "-O"]
)
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


@pytest.mark.parametrize("alias", [*ALIASES, "BIO", "Bmewo+"])
def test_schemes_have_other_names(alias):
    assert get_scheme(alias) is SCHEMES[ALIASES.get(alias, alias.lower())]


def test_unknown_scheme_is_an_error_that_lists_the_known_ones():
    with pytest.raises(CorpusError, match=r"'bieos'.*bioes"):
        get_scheme("bieos")
