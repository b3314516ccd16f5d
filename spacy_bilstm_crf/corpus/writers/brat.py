"""Write BRAT standoff: a text file and a file of entities for each Doc."""

import re
from typing import List

from . import BOM, Annotated, Style, Written, without_whitespace

# No fragment of an entity goes over the end of a line.
FRAGMENT = re.compile(r"[^\r\n]+")


def write_brat(item: Annotated, style: Style) -> Written:
    """Write a Doc as its text, and a line `T1<tab>LOC 0 2<tab>...` per entity.

    item (Annotated): The Doc.
    style (Style): Not used.
    RETURNS (Written): The text, and the entities.
    """
    text = item.doc.text
    # A reader cuts off the first byte order mark, after it has counted it.
    shift = len(BOM) if text.startswith(BOM) else 0
    labels, records = without_whitespace(item)
    lines: List[str] = []
    for span, label in zip(item.spans, labels, strict=True):
        fragments = list(FRAGMENT.finditer(text, span.start_char, span.end_char))
        if not fragments:
            records.append(item.drop(span, "only line breaks, which brat cannot mark"))
            continue
        offsets = ";".join(f"{m.start() + shift} {m.end() + shift}" for m in fragments)
        words = " ".join(fragment.group() for fragment in fragments)
        lines.append(f"T{len(lines) + 1}\t{label} {offsets}\t{words}\n")
    return Written((BOM[:shift] + text, "".join(lines)), records)
