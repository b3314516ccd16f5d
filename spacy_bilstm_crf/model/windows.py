"""Windows of Docs as rows of wordpieces, and back to tokens."""

from typing import Iterator, List, NamedTuple, Sequence, Tuple

import numpy
from spacy.tokens import Doc, Span

from .wordpieces import Ints, Pieces


class Row(NamedTuple):
    """A window, as the transformer sees it.

    span (Span): The tokens in it.
    first (int): The number of its first token among those of all Docs.
    start (int): The number of its first piece.
    end (int): The number of its last piece, plus 1.
    """

    span: Span
    first: int
    start: int
    end: int


def cut_rows(
    docs: Sequence[Doc], spans: Sequence[Sequence[Span]], lengths: Ints, limit: int
) -> List[List[Row]]:
    """Make a row of each window, or more if it is too long for the transformer: no piece is
    ever left out.

    docs (Sequence[Doc]): The Docs.
    spans (Sequence[Sequence[Span]]): The windows of each.
    lengths (int array, shape (tokens,)): How many pieces each token has.
    limit (int): How many pieces a row can hold.
    RETURNS (List[List[Row]]): The rows of each Doc.
    RAISES (ValueError): If a token is in no window.
    """
    ends = numpy.concatenate([[0], numpy.cumsum(lengths)])
    rows = []
    offset = 0
    for doc, windows in zip(docs, spans, strict=True):
        _require_all(doc, windows)
        rows.append([row for span in windows for row in _fit(span, offset, ends, limit)])
        offset += len(doc)
    return rows


def _require_all(doc: Doc, windows: Sequence[Span]) -> None:
    covered = numpy.zeros(len(doc), dtype="bool")
    for span in windows:
        covered[span.start : span.end] = True
    if not covered.all():
        first = int(covered.argmin())
        raise ValueError(
            f"get_spans leaves out token {first}, {doc[first].text!r}, of a Doc: set it to "
            "windows that hold every token, such as strided_spans with stride <= window"
        )


def _fit(span: Span, offset: int, ends: Ints, limit: int) -> Iterator[Row]:
    """YIELDS (Row): The halves of a window that is too long, and theirs."""
    first = offset + span.start
    start, end = int(ends[first]), int(ends[first + len(span)])
    if end - start <= limit:
        if len(span):
            yield Row(span, first, start, end)
    elif len(span) == 1:
        # One token alone is too long: its pieces stand in several rows.
        for piece in range(start, end, limit):
            yield Row(span, first, piece, min(piece + limit, end))
    else:
        middle = len(span) // 2
        yield from _fit(span[:middle], offset, ends, limit)
        yield from _fit(span[middle:], offset, ends, limit)


def align(
    rows: Sequence[Row], pieces: Pieces, before: int, width: int, overlap: str
) -> Tuple[Ints, Ints]:
    """Find each token's pieces in the rows.

    rows (Sequence[Row]): The rows of all Docs.
    pieces (Pieces): The pieces of all Docs.
    before (int): How many special pieces each row begins with.
    width (int): How long the rows are with padding.
    overlap (str): For tokens in several rows: "context" to take the row that shows most of
        the text on both sides of the token (all of them, if several show as much), "mean"
        to take all.
    RETURNS (Tuple[int array, int array]): For each token in turn, where its pieces are when
        all rows are written one after the other; and how many it has.
    """
    num_tokens = len(pieces.lengths)
    token_of = numpy.repeat(numpy.arange(num_tokens), pieces.lengths)
    tokens = numpy.concatenate([token_of[row.start : row.end] for row in rows])
    places = numpy.concatenate(
        [
            number * width + before + numpy.arange(row.end - row.start)
            for number, row in enumerate(rows)
        ]
    )
    if overlap == "context":
        seen = numpy.concatenate([_context(row, token_of) for row in rows])
        most = numpy.full(num_tokens, -1, dtype="int64")
        numpy.maximum.at(most, tokens, seen)
        tokens, places = tokens[seen == most[tokens]], places[seen == most[tokens]]
    order = numpy.argsort(tokens, kind="stable")
    counts = numpy.bincount(tokens, minlength=num_tokens)
    # thinc takes no others.
    return places[order].astype("int32"), counts.astype("int32")


def _context(row: Row, token_of: Ints) -> Ints:
    """RETURNS (int array, shape (pieces,)): How far the nearer border of the row is from
    each piece, in tokens. Where the Doc itself begins or ends there is none."""
    number = token_of[row.start : row.end] - row.first
    far = len(row.span.doc)
    left = number if row.span.start else far
    right = len(row.span) - 1 - number if row.span.end < far else far
    return numpy.minimum(left, right) + numpy.zeros_like(number)
