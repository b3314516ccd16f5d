"""Records with a list of entity objects, under the names that many corpora use."""

from typing import Any, Dict, Iterable, Sequence, Tuple

from .offset_records import (
    BadRecord,
    Entry,
    RawSpan,
    check_object,
    get_text,
    holds,
    is_object,
    is_offset,
)

TEXT_KEYS = ("text", "data", "originalText", "sentence", "content")
# Not just any list: the tokens of Doc.to_json also have offsets and a tag.
LIST_KEYS = (
    *("entities", "entity", "entity_list", "entity_mentions", "mentions", "ner"),
    *("annotations", "annotation", "labels", "label", "spans", "ents"),
)
START_KEYS = ("start", "start_offset", "start_idx", "start_pos", "begin")
END_KEYS = ("end", "end_offset", "end_idx", "end_pos")
LABEL_KEYS = ("label", "type", "label_type", "entity_type", "tag")
SURFACE_KEYS = ("entity", "text", "mention", "word")


def parse_offsets(record: Any, inclusive: bool = False) -> Entry:
    """{"text": str, "entities": [{"start", "end", "label"}]}, or other names for
    the same. With `inclusive`, the end is the last character, not the one after it.
    """
    record = check_object(record)
    text = get_text(record, *TEXT_KEYS)
    lists = [record[key] for key in LIST_KEYS if holds(record.get(key), _has_offsets)]
    if not lists:
        raise BadRecord("no list of entities with a start and an end")
    return Entry(text, [_read(item, inclusive) for items in lists for item in items])


def find_ends(entries: Iterable[Entry]) -> Tuple[bool, str]:
    """Find out whether the ends of entities are inclusive, which their names do not
    tell: by the texts that are stated for them.

    entries (Iterable[Entry]): Records, with ends that are read as exclusive.
    RETURNS (Tuple[bool, str]): Whether they are inclusive, and what speaks for it.
    """
    n_stated = n_exclusive = n_inclusive = 0
    for entry in entries:
        for start, end, _, text, _ in entry.spans:
            if isinstance(text, str) and is_offset(start) and is_offset(end):
                n_stated += 1
                n_exclusive += entry.text[start:end] == text
                n_inclusive += entry.text[start : end + 1] == text
    if not n_stated:
        return False, "ends read as exclusive: no entity states its text"
    inclusive = n_inclusive > n_exclusive
    n_agree = n_inclusive if inclusive else n_exclusive
    how = "inclusive" if inclusive else "exclusive"
    why = f"{n_agree:,} of {n_stated:,} texts of entities agree"
    return inclusive, f"ends read as {how}: {why}"


def _has_offsets(item: Any) -> bool:
    keys = item.keys() if is_object(item) else set()
    return not (keys.isdisjoint(START_KEYS) or keys.isdisjoint(END_KEYS))


def _read(item: Any, inclusive: bool) -> RawSpan:
    if not is_object(item):
        return RawSpan()
    start, end = _get(item, START_KEYS), _get(item, END_KEYS)
    label, text = _get(item, LABEL_KEYS), _get(item, SURFACE_KEYS)
    if inclusive and is_offset(end):
        return RawSpan(start, end + 1, label, text, [start, end])
    return RawSpan(start, end, label, text)


def _get(item: Dict[str, Any], keys: Sequence[str]) -> Any:
    return next((item[key] for key in keys if key in item), None)
