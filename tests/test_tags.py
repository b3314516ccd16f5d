import itertools

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.tags import (
    count_labels,
    count_tags,
    find_spans,
    legal_tags,
    source_tags,
    tag_names,
)


def test_tag_names_follow_the_layout():
    assert tag_names(["A", "B"]) == ["O", *(f"{p}-{x}" for x in "AB" for p in "BILU")]
    assert len(tag_names(["A", "B"])) == count_tags(2)


@pytest.mark.parametrize("num_tags", [0, 2, 3, 4, 6, -3])
def test_counts_that_are_not_of_biluo_tags_are_refused(num_tags):
    with pytest.raises(ValueError, match="BILUO"):
        count_labels(num_tags)


@pytest.mark.parametrize("num_labels", [0, 1, 2, 5])
def test_count_labels_inverts_count_tags(num_labels):
    assert count_labels(count_tags(num_labels)) == num_labels


def test_legal_transitions_are_those_of_the_names():
    names = tag_names(["X", "Y"])
    legal = legal_tags(2)
    for (i, one), (j, two) in itertools.product(enumerate(names), repeat=2):
        opened = one[0] in "BI"
        continued = two[0] in "IL"
        expected = (opened and continued and one[2:] == two[2:]) or not (
            opened or continued
        )
        assert legal.transitions[i, j] == expected, (one, two)
    assert [n for n, ok in zip(names, legal.start, strict=True) if ok] == [
        "O", "B-X", "U-X", "B-Y", "U-Y",
    ]  # fmt: skip
    assert [n for n, ok in zip(names, legal.end, strict=True) if ok] == [
        "O", "L-X", "U-X", "L-Y", "U-Y",
    ]  # fmt: skip


@st.composite
def spans_and_tags(draw):
    """Entities at random gaps, and the tags that a person would write for them."""
    spans, tags = [], []
    for gap, length, label in draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(0, 2)))
    ):
        tags += [0] * gap
        spans.append((len(tags), len(tags) + length, label))
        prefixes = [3] if length == 1 else [0, *([1] * (length - 2)), 2]
        tags += [1 + 4 * label + prefix for prefix in prefixes]
    tags += [0] * draw(st.integers(0, 2))
    return spans, tags


@given(spans_and_tags())
def test_find_spans_reads_back_what_was_written(case):
    spans, tags = case
    found = find_spans(numpy.array(tags, dtype="int64"))
    assert list(zip(*(array.tolist() for array in found), strict=True)) == spans


@given(spans_and_tags())
def test_written_tags_are_legal(case):
    _, tags = case
    legal = legal_tags(3)
    if tags:
        assert legal.start[tags[0]]
        assert legal.end[tags[-1]]
    assert all(legal.transitions[a, b] for a, b in itertools.pairwise(tags))


@given(
    st.lists(st.text(max_size=2), unique=True), st.lists(st.text(max_size=2), unique=True)
)
def test_source_tags_are_those_of_the_same_name(old, new):
    source = source_tags(old, new)
    assert len(source) == count_tags(len(new))
    for name, tag in zip(tag_names(new), source.tolist(), strict=True):
        if tag < 0:
            assert name not in tag_names(old)
        else:
            assert tag_names(old)[tag] == name
