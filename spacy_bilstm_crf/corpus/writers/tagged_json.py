"""Write JSON lines with a text and a tag for each of its characters."""

import json

from . import Annotated, Style, Written
from .tags import make_tags


def write_tagged_json(item: Annotated, style: Style) -> Written:
    """Write a Doc as a line `{"text": "...", "labels": ["O", ...]}`.

    item (Annotated): The Doc.
    style (Style): The scheme.
    RETURNS (Written): The line.
    """
    text = item.doc.text
    places = [(span.start_char, span.end_char, span.label_) for span in item.spans]
    tags, records = make_tags(item, places, len(text), style.scheme)
    line = json.dumps({"text": text, "labels": tags}, ensure_ascii=False)
    return Written((f"{line}\n",), records)
