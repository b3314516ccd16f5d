"""Records of texts and entities with character offsets: one function for each of
the corpora and tools that write them.
"""

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from ..json_records import Broken


class RawSpan(NamedTuple):
    """An entity as it stands in the file, unchecked: any value may be of any type.

    start (Any): Offset of the first character.
    end (Any): Offset after the last character.
    label (Any): Label.
    text (Any): Its text, or None where the file does not state it.
    given (Any): Its offsets as the file has them, where these are others.
    """

    start: Any = None
    end: Any = None
    label: Any = None
    text: Any = None
    given: Any = None


class Entry(NamedTuple):
    """What a record says.

    text (str): The text.
    spans (Sequence[RawSpan]): Its entities.
    not_gold (Sequence[Tuple[RawSpan, str]]): Entities that are not to be learned
        from, and why.
    not_accepted (str): Why nothing in this record is to be learned from.
    """

    text: str
    spans: Sequence[RawSpan]
    not_gold: Sequence[Tuple[RawSpan, str]] = ()
    not_accepted: str = ""


class BadRecord(ValueError):
    """Raised for a record that a tool does not write."""


# A list of entities in a record: its name, what is in it, how to read that.
ListKind = Tuple[str, Callable[[Any], bool], Callable[[Any], RawSpan]]


def parse_cluener(record: Any) -> Entry:
    """{"text": str, "label": {label: {text: [[start, last], ...]}}}"""
    record = check_object(record)
    text = get_text(record, "text")
    spans = []
    for label, surfaces in check_object(record.get("label"), "'label'").items():
        if not is_object(surfaces):
            spans.append(RawSpan(label=label))
            continue
        for surface, places in surfaces.items():
            # A text without offsets is an entity all the same, and to be listed.
            for place in places if _is_row(places) and places else [None]:
                start, last = _read_row(place)[:2]
                end = last + 1 if is_offset(last) else None
                spans.append(RawSpan(start, end, label, surface, place))
    return Entry(text, spans)


def parse_doccano(record: Any) -> Entry:
    """{"text": str, "label": [[start, end, label]]}, or the same rows as "labels",
    or objects with "start_offset", "end_offset" and "label" as "entities" or
    "annotations".
    """
    record = check_object(record)
    text = get_text(record, "text", "data")
    kinds = (
        ("entities", _has_doccano_offsets, _read_doccano_object),
        ("annotations", _has_doccano_offsets, _read_doccano_object),
        ("label", _is_row, _read_row),
        ("labels", _is_row, _read_row),
    )
    return Entry(text, _read_lists(record, kinds))


def parse_prodigy(record: Any) -> Entry:
    """{"text": str, "spans": [{"start", "end", "label"}], "answer": "accept"}"""
    record = check_object(record)
    text = get_text(record, "text")
    # A task in which nothing was marked may have no spans.
    spans = record.get("spans", [] if "answer" in record else None)
    if not holds(spans, is_object):
        raise BadRecord("no list 'spans'")
    answer = record.get("answer", "accept")
    why = "" if answer == "accept" else f"the answer is {answer!r:.20}, not 'accept'"
    return Entry(text, [_read_object(span) for span in spans], not_accepted=why)


def parse_spacy(record: Any) -> Entry:
    """[text, {"entities": [[start, end, label]]}], the same as one object with
    "text", or what Doc.to_json gives: {"text": str, "ents": [{"start", "end", "label"}]}
    """
    if _is_row(record) and len(record) == 2 and is_object(record[1]):
        record = {**record[1], "text": record[0]}
    record = check_object(record)
    text = get_text(record, "text")
    kinds = (("entities", _is_row, _read_row), ("ents", is_object, _read_object))
    return Entry(text, _read_lists(record, kinds))


def check_object(value: Any, name: str = "it") -> Dict[str, Any]:
    """Check that a value is an object.

    value (Any): Any JSON value, or Broken.
    name (str): What to call it.
    RETURNS (Dict[str, Any]): The value.
    RAISES (BadRecord): If it is anything else.
    """
    if isinstance(value, Broken):
        raise BadRecord(value.why)
    if not isinstance(value, dict):
        raise BadRecord(f"{name} is no object")
    return value


def get_text(record: Dict[str, Any], *keys: str) -> str:
    """Look up a text.

    record (Dict[str, Any]): The record.
    keys (str): The names it may have.
    RETURNS (str): The text.
    RAISES (BadRecord): If there is none.
    """
    for key in keys:
        if isinstance(record.get(key), str):
            return str(record[key])
    raise BadRecord(f"no '{keys[0]}'")


def holds(items: Any, test: Callable[[Any], bool]) -> bool:
    """Check whether a value is a list of certain items. One of them is enough:
    faulty ones beside it are for the list of what was dropped.

    items (Any): Any value.
    test (Callable[[Any], bool]): Whether this is such an item.
    RETURNS (bool): Whether this is such a list, or an empty one.
    """
    return _is_row(items) and (not items or any(map(test, items)))


def is_object(value: Any) -> bool:
    """RETURNS (bool): Whether a value is a JSON object."""
    return isinstance(value, dict)


def is_offset(value: Any) -> bool:
    """RETURNS (bool): Whether a value is a whole number, which bool is for Python."""
    return isinstance(value, int) and not isinstance(value, bool)


def _read_lists(record: Dict[str, Any], kinds: Iterable[ListKind]) -> List[RawSpan]:
    """Read all the lists of entities that there are: one may be empty because
    the entities are in another.
    """
    lists = [
        [read(item) for item in record[key]]
        for key, test, read in kinds
        if holds(record.get(key), test)
    ]
    if not lists:
        names = ", ".join(f"'{key}'" for key, _, _ in kinds)
        raise BadRecord(f"no list of entities with offsets: {names}")
    return [span for spans in lists for span in spans]


def _read_row(row: Any) -> RawSpan:
    # spaCy allows the id of an entity after its label.
    return RawSpan(*row[:3]) if _is_row(row) else RawSpan()


def _read_object(item: Any) -> RawSpan:
    if not is_object(item):
        return RawSpan()
    return RawSpan(item.get("start"), item.get("end"), item.get("label"), item.get("text"))


def _read_doccano_object(item: Any) -> RawSpan:
    if not is_object(item):
        return RawSpan()
    label = item.get("label_name", item.get("label"))
    # The first generation only has the numbers of labels.
    label = str(label) if is_offset(label) else label
    return RawSpan(item.get("start_offset"), item.get("end_offset"), label)


def _has_doccano_offsets(item: Any) -> bool:
    return is_object(item) and "start_offset" in item


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, tuple))
