from itertools import accumulate
from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_bilstm_crf.model.windows import align, cut_rows
from spacy_bilstm_crf.model.wordpieces import Pieces

VOCAB = Vocab()


def make_doc(length):
    return Doc(VOCAB, words=["a"] * length)


def make_pieces(lengths):
    """Pieces that are numbered through."""
    return Pieces(numpy.arange(sum(lengths)), numpy.array(lengths, dtype="int64"))


def cut(lengths, windows, limit):
    """Cut the windows of one Doc. RETURNS (List[Tuple]): The tokens and the pieces of each
    row."""
    doc = make_doc(len(lengths))
    spans = [doc[start:end] for start, end in windows]
    (rows,) = cut_rows([doc], [spans], numpy.array(lengths), limit)
    return [((r.span.start, r.span.end), (r.start, r.end)) for r in rows]


@st.composite
def cases(draw):
    """Docs, their windows, which overlap and repeat in any order, and a limit."""
    docs, spans, lengths = [], [], []
    for size in draw(st.lists(st.integers(0, 8), min_size=1, max_size=3)):
        doc = make_doc(size)
        docs.append(doc)
        lengths += draw(st.lists(st.integers(1, 4), min_size=size, max_size=size))
        borders = draw(st.lists(st.tuples(st.integers(0, size), st.integers(0, size))))
        middle = draw(st.integers(0, size))
        # So that no token is left out.
        borders = draw(st.permutations([*borders, (0, middle), (middle, size)]))
        spans.append([doc[min(border) : max(border)] for border in borders])
    return SimpleNamespace(
        docs=docs, spans=spans, lengths=lengths, limit=draw(st.integers(1, 9))
    )


def test_a_window_that_fits_is_one_row():
    assert cut([1, 2, 1, 1], [(0, 3), (1, 4)], limit=4) == [
        ((0, 3), (0, 4)),
        ((1, 4), (1, 5)),
    ]


def test_a_window_that_is_too_long_is_halved_until_it_fits():
    assert cut([1] * 8, [(0, 8)], limit=7) == [((0, 4), (0, 4)), ((4, 8), (4, 8))]
    assert cut([1, 1, 1, 4, 4], [(0, 5)], limit=4) == [
        ((0, 2), (0, 2)),
        ((2, 3), (2, 3)),
        ((3, 4), (3, 7)),
        ((4, 5), (7, 11)),
    ]


def test_a_token_that_is_too_long_by_itself_has_several_rows():
    assert cut([1, 5], [(0, 2)], limit=2) == [
        ((0, 1), (0, 1)),
        ((1, 2), (1, 3)),
        ((1, 2), (3, 5)),
        ((1, 2), (5, 6)),
    ]


def test_empty_windows_and_docs_have_no_rows():
    empty, doc = make_doc(0), make_doc(2)
    windows = [[empty[:]], [doc[1:1], doc[:]], []]
    found = cut_rows([empty, doc, empty], windows, numpy.ones(2), 5)
    assert [len(rows) for rows in found] == [0, 1, 0]


@pytest.mark.parametrize("windows", [[], [(0, 0)], [(0, 2), (3, 4)], [(2, 4), (1, 3)]])
def test_windows_that_leave_a_token_out_are_refused(windows):
    with pytest.raises(ValueError, match=r"leaves out token [02], 'a', of a Doc"):
        cut([1] * 4, windows, limit=5)


@given(case=cases())
def test_rows_hold_all_the_pieces_of_their_windows_in_order(case):
    rows = cut_rows(case.docs, case.spans, numpy.array(case.lengths), case.limit)
    ends = [0, *accumulate(case.lengths)]
    first = 0
    for doc, windows, found in zip(case.docs, case.spans, rows, strict=True):
        assert all(0 < row.end - row.start <= case.limit for row in found)
        assert all(row.first == first + row.span.start for row in found)
        expected = [
            piece
            for span in windows
            for piece in range(ends[first + span.start], ends[first + span.end])
        ]
        assert [piece for row in found for piece in range(row.start, row.end)] == expected
        first += len(doc)


def find_places(case, rows, before, width, overlap):
    """What `align` should find, token by token."""
    ends = [0, *accumulate(case.lengths)]
    found = []
    for token in range(len(case.lengths)):
        places = []
        for number, row in enumerate(rows):
            for piece in range(ends[token], ends[token + 1]):
                if row.start <= piece < row.end:
                    tokens_before = token - row.first
                    tokens_after = len(row.span) - 1 - tokens_before
                    if row.span.start == 0:
                        tokens_before = 100
                    if row.span.end == len(row.span.doc):
                        tokens_after = 100
                    context = min(tokens_before, tokens_after)
                    place = number * width + before + piece - row.start
                    places.append((context, place))
        if overlap == "context":
            most = max((context for context, _ in places), default=0)
            places = [(context, place) for context, place in places if context == most]
        found.append([place for _, place in places])
    return found


@given(case=cases(), before=st.integers(0, 2), overlap=st.sampled_from(["context", "mean"]))
def test_alignment(case, before, overlap):
    found = cut_rows(case.docs, case.spans, numpy.array(case.lengths), case.limit)
    rows = [row for of_doc in found for row in of_doc]
    if rows:
        width = max(row.end - row.start for row in rows) + 2
        places, counts = align(rows, make_pieces(case.lengths), before, width, overlap)
        expected = find_places(case, rows, before, width, overlap)
        assert counts.tolist() == [len(of_token) for of_token in expected]
        assert places.tolist() == [place for of_token in expected for place in of_token]
        assert places.dtype == counts.dtype == numpy.int32


def test_context_takes_the_row_in_which_a_token_stands_further_from_the_borders():
    doc = make_doc(8)
    (rows,) = cut_rows([doc], [[doc[0:6], doc[2:8]]], numpy.ones(8, dtype="int64"), 10)
    places, counts = align(rows, make_pieces([1] * 8), 1, 8, "context")
    # The second row begins at place 8. Where the Doc begins or ends is no border.
    assert places.tolist() == [1, 2, 3, 4, 11, 12, 13, 14]
    assert counts.tolist() == [1] * 8


def test_mean_takes_all_rows():
    doc = make_doc(3)
    (rows,) = cut_rows([doc], [[doc[0:2], doc[1:3]]], numpy.ones(3, dtype="int64"), 10)
    places, counts = align(rows, make_pieces([1] * 3), 1, 4, "mean")
    assert places.tolist() == [1, 2, 5, 6]
    assert counts.tolist() == [1, 2, 1]
