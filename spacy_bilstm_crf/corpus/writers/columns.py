"""Write column files: one token and its tag per line, a blank line after each Doc."""

import re
from itertools import accumulate
from typing import List

from . import Annotated, Style, Written, without_whitespace
from .tags import make_tags

# A line break would end the row, and nobody takes a file with a NUL for text.
IMPOSSIBLE = {ord("\n"): " ", 0: "\N{REPLACEMENT CHARACTER}"}
# By what stands between tokens. No row has whitespace beside other characters, or is
# taken for the beginning of a document.
ROWS = {
    "": re.compile(r"\s|-(?=DOCSTART-)|\S+"),
    " ": re.compile(r"-(?=DOCSTART-)|\S+"),
}
CONTEXT = 10


def write_columns(item: Annotated, style: Style) -> Written:
    """Write a Doc as rows of a token, a space and a tag.

    A reader makes the text anew from the tokens. In languages written without
    spaces whitespace therefore gets rows of its own. In others it gets none, and
    texts in which tokens are not separated by single spaces are listed.

    item (Annotated): The Doc.
    style (Style): The scheme, and how tokens are joined.
    RETURNS (Written): The rows, nothing if there are none.
    """
    rows_of = [_split(token.text_with_ws, style.space) for token in item.doc]
    rows = [row for rows in rows_of for row in rows]
    first = list(accumulate(map(len, rows_of), initial=0))
    labels, records = without_whitespace(item)
    places = []
    for span, label in zip(item.spans, labels, strict=True):
        last = span[-1]
        # The space after a token is not part of an entity that ends there.
        end = first[last.i] + len(_split(last.text, style.space))
        places.append((first[span.start], end, label))
    tags, drops = make_tags(item, places, len(rows), style.scheme)
    records += drops
    if not rows:
        why = "Doc left out: nothing in it that has a row"
        return Written(("",), [*records, item.record("sentence-dropped", why)])
    text, copy = item.doc.text, style.space.join(rows)
    if copy != text:
        why = "the text made anew from the rows differs, first here"
        pairs = enumerate(zip(text, copy, strict=False))
        differs = next((i for i, (a, b) in pairs if a != b), min(len(text), len(copy)))
        at = max(0, differs - CONTEXT)
        before, after = (t[at : at + 2 * CONTEXT] for t in (text, copy))
        records.append(item.record("text-changed", why, before, after))
    lines = (f"{row} {tag}\n" for row, tag in zip(rows, tags, strict=True))
    return Written(("".join(lines) + "\n",), records)


def _split(token: str, space: str) -> List[str]:
    return ROWS[space].findall(token.translate(IMPOSSIBLE))
