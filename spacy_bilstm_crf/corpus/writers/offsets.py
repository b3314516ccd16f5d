"""Write JSON lines with entities as character offsets: doccano and Prodigy."""

import json
from typing import Any, Dict

from . import Annotated, Style, Written


def write_doccano(item: Annotated, style: Style) -> Written:
    """Write a Doc as a line that doccano imports as JSONL:
    `{"text": "...", "label": [[0, 2, "LOC"]]}`.

    item (Annotated): The Doc.
    style (Style): Not used.
    RETURNS (Written): The line.
    """
    label = [(span.start_char, span.end_char, span.label_) for span in item.spans]
    return _line({"text": item.doc.text, "label": label})


def write_prodigy(item: Annotated, style: Style) -> Written:
    """Write a Doc as a task of Prodigy's ner and spans recipes: text, tokens,
    spans, accepted.

    item (Annotated): The Doc.
    style (Style): Not used.
    RETURNS (Written): The line.
    """
    tokens = [
        {
            "text": token.text,
            "start": token.idx,
            "end": token.idx + len(token),
            "id": token.i,
            "ws": bool(token.whitespace_),
        }
        for token in item.doc
    ]
    spans = [
        {
            "start": span.start_char,
            "end": span.end_char,
            "token_start": span.start,
            "token_end": span.end - 1,  # inclusive, unlike "end"
            "label": span.label_,
        }
        for span in item.spans
    ]
    task = {"text": item.doc.text, "tokens": tokens, "spans": spans, "answer": "accept"}
    return _line(task)


def _line(row: Dict[str, Any]) -> Written:
    return Written((json.dumps(row, ensure_ascii=False) + "\n",), [])
