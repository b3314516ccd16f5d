"""Records of Label Studio: all of a task with its annotations, or JSON-MIN."""

from typing import Any, Dict, Iterator, List, Sequence, Tuple

from .offset_records import (
    BadRecord,
    Entry,
    RawSpan,
    check_object,
    holds,
    is_object,
    is_offset,
)

# Texts in a record of JSON-MIN that are about the task.
TASK_KEYS = frozenset(("created_at", "updated_at", "file_upload"))


def parse_label_studio(record: Any) -> Entry:
    """{"data": {...}, "annotations": [{"result": [{"type": "labels", "to_name": str,
    "value": {"start", "end", "text", "labels": [...]}}]}]}, or JSON-MIN:
    {"text": str, "label": [{"start", "end", "text", "labels": [...]}]}
    """
    record = check_object(record)
    if is_object(record.get("data")):
        return _parse_task(record)
    lists = [items for items in record.values() if holds(items, _is_region)]
    regions = [region for items in lists for region in items]
    # A text in which nothing was marked has no such list.
    if not regions and "annotation_id" not in record:
        raise BadRecord("no 'data' with 'annotations', and no list of regions")
    spans = [span for region in regions for span in _read_region(region)]
    data = {key: value for key, value in record.items() if key not in TASK_KEYS}
    return Entry(_find_text(data, spans, None), spans)


def _parse_task(task: Dict[str, Any]) -> Entry:
    key = "annotations" if "annotations" in task else "completions"
    if not holds(task.get(key), _has_result):
        raise BadRecord("no 'annotations' with a 'result'")
    valid = [a for a in task[key] if _has_result(a) and not a.get("was_cancelled")]
    gold = valid[0] if valid else {"result": []}
    to_name = next((name for name, _ in _read_result(gold)), None)
    spans: List[RawSpan] = []
    not_gold: List[Tuple[RawSpan, str]] = []
    for annotation in task[key]:
        if not _has_result(annotation):
            not_gold.append((RawSpan(), "in an annotation without 'result'"))
            continue
        for name, span in _read_result(annotation):
            if annotation.get("was_cancelled"):
                not_gold.append((span, "in a cancelled annotation"))
            elif annotation is not gold:
                not_gold.append((span, "in another annotation of this task"))
            elif name != to_name:
                not_gold.append((span, f"in {name!r:.20}, another text of this task"))
            else:
                spans.append(span)
    text = _find_text(task["data"], spans, to_name)
    return Entry(text, spans, not_gold, "" if valid else "no annotation of this task")


def _read_result(annotation: Dict[str, Any]) -> Iterator[Tuple[Any, RawSpan]]:
    """The entities of an annotation, each with the name of what it marks. Its
    relations, choices and the like are of other types.
    """
    for item in annotation["result"]:
        if not is_object(item):
            yield None, RawSpan()
        elif str(item.get("type", "labels")).endswith("labels"):
            for span in _read_region(item.get("value")):
                yield item.get("to_name"), span


def _read_region(region: Any) -> List[RawSpan]:
    if not is_object(region):
        return [RawSpan()]
    start, end, text = region.get("start"), region.get("end"), region.get("text")
    # Without a label it is an entity all the same, and to be listed.
    labels = region.get(_labels_key(region)) or [None]
    return [RawSpan(start, end, label, text) for label in labels]


def _is_region(item: Any) -> bool:
    return bool(_labels_key(item))


def _labels_key(region: Any) -> str:
    """Name of the list of labels, which is "hypertextlabels" and the like for
    what is no plain text. Empty if there is none.
    """
    keys = region if is_object(region) else ()
    lists = (str(key) for key in keys if isinstance(region[key], list))
    return next((key for key in lists if key.endswith("labels")), "")


def _find_text(data: Dict[str, Any], spans: Sequence[RawSpan], to_name: Any) -> str:
    """Find the text that was annotated. Its name stands in the settings of the
    project, not in the export: the texts of the entities tell it.
    """

    def fitness(key: str) -> Tuple[int, bool, bool, int]:
        text = data[key]
        known = [s for s in spans if is_offset(s.start) and is_offset(s.end)]
        hits = sum(text[span.start : span.end] == span.text for span in known)
        return hits, key == to_name, key == "text", len(text)

    keys = [key for key, value in data.items() if isinstance(value, str)]
    if not keys:
        raise BadRecord("no text")
    return str(data[max(keys, key=fitness)])


def _has_result(item: Any) -> bool:
    return is_object(item) and isinstance(item.get("result"), list)
