import json

import pytest

from spacy_bilstm_crf.corpus.readers.offsets import OffsetsReader
from spacy_bilstm_crf.corpus.sentence import Options

TEXT = "王博住在南湖。"


@pytest.fixture
def read(tmp_path):
    """Read a record, which has a sound one before it."""

    def read_record(record):
        path = tmp_path / "file.jsonl"
        lines = [json.dumps(task({"result": []})), json.dumps(record)]
        path.write_text("\n".join(lines), "utf8")
        _, sentence = OffsetsReader(path, Options(), "label-studio")
        return sentence

    return read_record


def entities(sentence):
    return [(sentence.tokens[s.start : s.end], s.label) for s in sentence.spans]


def dropped(sentence):
    drops = [r for r in sentence.records if r.kind == "entity-dropped"]
    return [(r.label, r.why.removeprefix("entity dropped: ")) for r in drops]


def region(start, end, *labels, text=None, to_name="text", **more):
    value = {"start": start, "end": end, "labels": list(labels)}
    value |= {} if text is None else {"text": text}
    return {"type": "labels", "from_name": "x", "to_name": to_name, "value": value, **more}


def task(*annotations, **data):
    data = data or {"text": TEXT}
    return {"id": 1, "data": data, "annotations": list(annotations), "predictions": []}


REGIONS = [region(0, 2, "PER"), region(4, 6, "LOC")]
BOTH = [("王博", "PER"), ("南湖", "LOC")]


def test_region_with_several_labels_is_several_entities(read):
    sentence = read(task({"result": [region(0, 2, "A", "B")]}))
    assert entities(sentence) == [("王博", "A"), ("王博", "B")]


def test_takes_the_first_annotation_that_is_not_cancelled(read):
    cancelled = {"result": [], "was_cancelled": True}
    others = [{"result": REGIONS[:1]}, {"result": REGIONS[1:]}]
    sentence = read(task(cancelled, *others))
    assert entities(sentence) == [("王博", "PER")]
    assert dropped(sentence) == [("LOC", "in another annotation of this task")]


@pytest.mark.parametrize("unreadable", [7, {}, {"result": None}])
def test_annotation_without_result_is_recorded(read, unreadable):
    sentence = read(task(unreadable, {"result": REGIONS}))
    assert entities(sentence) == BOTH
    assert dropped(sentence) == [("", "in an annotation without 'result'")]


def test_entities_of_a_cancelled_annotation_are_recorded(read):
    cancelled = {"result": REGIONS, "was_cancelled": True}
    sentence = read(task(cancelled, {"result": []}))
    assert entities(sentence) == []
    assert dropped(sentence) == [
        ("PER", "in a cancelled annotation"),
        ("LOC", "in a cancelled annotation"),
    ]


@pytest.mark.parametrize("annotations", [[], [{"result": [], "was_cancelled": True}]])
def test_task_without_annotation_is_no_gold(read, annotations):
    sentence = read(task(*annotations))
    [record] = sentence.records
    assert (record.kind, "no annotation" in record.why) == ("not-gold", True)


def test_results_of_other_types_are_not_entities(read):
    others = [
        {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["x"]},
        {"type": "choices", "value": {"start": 0, "end": 2, "choices": ["x"]}},
        {"type": "textarea", "to_name": "text", "value": {"text": ["x"]}},
    ]
    sentence = read(task({"result": [*others, *REGIONS]}))
    assert (entities(sentence), sentence.records) == (BOTH, [])


@pytest.mark.parametrize(
    ("result", "label"),
    [
        (7, ""),
        ({"type": "labels"}, ""),
        ({"type": "labels", "value": 7}, ""),
        (region(0, 2), ""),
        # Places in a web page or a dialogue are no offsets in a text.
        (
            {
                "type": "hypertextlabels",
                "value": {"start": "/p[1]", "end": "/p[2]", "hypertextlabels": ["X"]},
            },
            "X",
        ),
        (
            {
                "type": "paragraphlabels",
                "value": {"start": "0", "end": "0", "paragraphlabels": ["X"]},
            },
            "X",
        ),
    ],
)
def test_result_that_is_no_span_is_dropped_and_recorded(read, result, label):
    if isinstance(result, dict):
        result = {**result, "to_name": "text"}
    sentence = read(task({"result": [*REGIONS, result]}))
    assert entities(sentence) == BOTH
    assert [name for name, _ in dropped(sentence)] == [label]


def test_entities_of_a_second_text_are_dropped_and_recorded(read):
    result = [region(0, 2, "A", to_name="a"), region(0, 1, "B", to_name="b")]
    sentence = read(task({"result": result}, a="沪杭", b="在"))
    assert entities(sentence) == [("沪杭", "A")]
    assert dropped(sentence) == [("B", "in 'b', another text of this task")]


@pytest.mark.parametrize(
    ("data", "to_name", "text"),
    [
        ({"content": TEXT}, "text", None),
        ({"content": TEXT, "id": 12345678}, "text", None),
        ({"id": "7", "content": TEXT}, "x", None),
        ({"x": TEXT, "text": "a longer one", "z": "one much longer"}, "x", None),
        ({"text": TEXT, "url": "https://example.org"}, "x", None),
        # The texts of the entities say more than any name.
        ({"text": "a longer one", "x": "another", "sentence": TEXT}, "x", "王博"),
    ],
)
def test_text_is_found_under_any_name(read, data, to_name, text):
    regions = [region(0, 2, "PER", to_name=to_name, text=text)]
    sentence = read(task({"result": regions}, **data))
    assert sentence.tokens == TEXT


def test_minimal_export_may_have_no_regions(read):
    record = {"sentence": "沪", "annotation_id": 3, "created_at": "2024-05-01T10:00:00Z"}
    sentence = read(record)
    assert (sentence.tokens, sentence.spans, sentence.records) == ("沪", [], [])


def test_minimal_export_names_regions_as_the_project_does(read):
    regions = [region(0, 2, "PER")["value"], {"start": 0, "end": 1}, 7]
    sentence = read({"text": TEXT, "entity": regions, "choice": "x"})
    assert entities(sentence) == [("王博", "PER")]
    assert [label for label, _ in dropped(sentence)] == ["", ""]
