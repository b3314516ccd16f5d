import json
import re
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.formats import open_reader
from spacy_bilstm_crf.corpus.readers.offset_records import BadRecord
from spacy_bilstm_crf.corpus.readers.offsets import TOOLS, OffsetsReader, find_tool, matches
from spacy_bilstm_crf.corpus.sentence import UNREPAIRABLE, CorpusError, Options

SAMPLES = {
    "cluener.json": "cluener",
    "doccano1.jsonl": "doccano",
    "doccano2.jsonl": "doccano",
    "doccano3.jsonl": "doccano",
    "prodigy.jsonl": "prodigy",
    "label_studio.json": "label-studio",
    "spacy_offsets.jsonl": "spacy",
    "offsets.jsonl": "offsets",
}
TEXT = "王博住在南湖。"


@pytest.fixture
def write(tmp_path):
    def write_file(*records, name="file.jsonl"):
        path = tmp_path / name
        lines = [r if isinstance(r, (str, bytes)) else json.dumps(r) for r in records]
        lines = [r if isinstance(r, bytes) else r.encode("utf8") for r in lines]
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return write_file


@pytest.fixture
def read(write):
    def read_records(tool, *records):
        return list(OffsetsReader(write(*records), Options(), tool))

    return read_records


def entities(sentence):
    return [(sentence.tokens[s.start : s.end], s.label) for s in sentence.spans]


def dropped(sentence):
    drops = [r for r in sentence.records if r.kind == "entity-dropped"]
    return [(r.label, r.why.removeprefix("entity dropped: ")) for r in drops]


def kinds(sentence):
    return [record.kind for record in sentence.records]


def region(start, end, *labels, text=None, to_name="text", **more):
    value = {"start": start, "end": end, "labels": list(labels)}
    value |= {} if text is None else {"text": text}
    return {"type": "labels", "from_name": "x", "to_name": to_name, "value": value, **more}


def task(*annotations, **data):
    data = data or {"text": TEXT}
    return {"id": 1, "data": data, "annotations": list(annotations), "predictions": []}


PEOPLE = [(0, 2, "PER"), (4, 6, "LOC")]
BOTH = [("王博", "PER"), ("南湖", "LOC")]
DOCCANO_OBJECTS = [
    {"id": 1, "label": c, "start_offset": a, "end_offset": b} for a, b, c in PEOPLE
]
OBJECTS = [{"start": a, "end": b, "label": c} for a, b, c in PEOPLE]
ALIASES = [{"start_pos": a, "end_pos": b, "label_type": c} for a, b, c in PEOPLE]
SURFACES = [
    {"start_idx": a, "end_idx": b - 1, "type": c, "entity": TEXT[a:b]} for a, b, c in PEOPLE
]
REGIONS = [region(a, b, c) for a, b, c in PEOPLE]
# Every form that is known, all with the same two entities.
FORMS = [
    (
        "cluener",
        {"text": TEXT, "label": {"PER": {"王博": [[0, 1]]}, "LOC": {"南湖": [[4, 5]]}}},
    ),
    ("doccano", {"id": 1, "text": TEXT, "label": PEOPLE, "Comments": []}),
    ("doccano", {"id": 1, "text": TEXT, "labels": PEOPLE}),
    ("doccano", {"id": 1, "data": TEXT, "label": PEOPLE}),
    ("doccano", {"text": TEXT, "entities": DOCCANO_OBJECTS, "relations": [{"id": 2}]}),
    ("doccano", {"text": TEXT, "annotations": DOCCANO_OBJECTS, "meta": {}}),
    ("prodigy", {"text": TEXT, "tokens": [], "spans": OBJECTS, "answer": "accept"}),
    ("prodigy", {"text": TEXT, "spans": OBJECTS}),
    ("label-studio", task({"result": REGIONS, "was_cancelled": False})),
    ("label-studio", {"data": {"text": TEXT}, "completions": [{"result": REGIONS}]}),
    ("label-studio", {"id": 1, "text": TEXT, "label": [r["value"] for r in REGIONS]}),
    ("spacy", [TEXT, {"entities": PEOPLE, "cats": {}}]),
    ("spacy", {"text": TEXT, "entities": PEOPLE}),
    ("spacy", {"text": TEXT, "ents": OBJECTS, "tokens": [{"id": 0}], "spans": {"sc": []}}),
    ("offsets", {"originalText": TEXT, "entities": ALIASES}),
    ("offsets", {"text": TEXT, "entities": SURFACES}),
    ("offsets", {"text": TEXT, "entities": OBJECTS}),
]


@pytest.mark.parametrize(("tool", "record"), FORMS)
def test_every_form_is_recognised_and_read(write, tool, record):
    path = write(record)
    assert find_tool(path) == tool
    assert [name for name in TOOLS if matches(path, name)] == [tool]
    reader = OffsetsReader(path, Options(), tool)
    assert reader.evidence.startswith(f"{tool}, records 1")
    [sentence] = reader
    assert (sentence.tokens, entities(sentence)) == (TEXT, BOTH)
    assert [span.line for span in sentence.spans] == [1, 1]
    assert not sentence.records


@pytest.mark.parametrize(("tool", "record"), FORMS)
def test_every_form_may_be_python_literals_or_an_array(read, tool, record):
    for content in (repr(record), json.dumps([record], indent=1)):
        [sentence] = read(tool, content)
        assert entities(sentence) == BOTH


def test_reader_can_be_gone_through_twice(write):
    reader = OffsetsReader(write(*2 * [FORMS[1][1]]), Options(), "doccano")
    assert list(reader) == list(reader)
    assert len(reader) == 2


def test_offsets_count_characters_beyond_the_basic_plane_once(read):
    [sentence] = read("doccano", {"text": "😀在沪", "label": [[2, 3, "LOC"]]})
    assert entities(sentence) == [("沪", "LOC")]


def test_everything_has_the_line_of_its_record(read):
    _, sentence = read(
        "doccano", FORMS[1][1], "", {"text": "沪", "label": [[0, 1, "X"], 1]}
    )
    assert (sentence.line, sentence.spans[0].line) == (3, 3)
    assert [record.line for record in sentence.records] == [3]


def test_records_of_an_array_on_one_line_are_counted(read):
    bad = {"text": "沪", "label": [[0, 9, "X"]]}
    *_, first, second = read("doccano", json.dumps([FORMS[1][1], bad, {}]))
    assert [r.why[-10:] for s in (first, second) for r in s.records] == [
        *("(record 2)", "(record 3)"),
    ]


@pytest.mark.parametrize(
    ("span", "label", "why"),
    [
        ([0, 8, "X"], "X", "not within the text, which has 7 characters"),
        ([-1, 2, "X"], "X", "not within the text"),
        ([2, 1, "X"], "X", "ends before it begins"),
        ([2, 2, "X"], "X", "it is empty"),
        ([0, "1", "X"], "X", "no whole numbers"),
        ([0, 1.0, "X"], "X", "no whole numbers"),
        ([False, True, "X"], "X", "no whole numbers"),
        ([None, 1, "X"], "X", "no whole numbers"),
        ([0, 10**30, "X"], "X", "no whole numbers"),
        ([0, 1], "", "no label"),
        ([0, 1, ""], "", "no label"),
        ([0, 1, None], "", "no label"),
        ([0, 1, ["X"]], "", "no label"),
        ([], "", "no whole numbers"),
        ("X", "", "no whole numbers"),
        (None, "", "no whole numbers"),
    ],
)
def test_entity_that_cannot_be_placed_is_dropped_and_recorded(read, span, label, why):
    [sentence] = read("doccano", {"text": TEXT, "label": [[0, 2, "PER"], span]})
    assert entities(sentence) == [("王博", "PER")]
    [(dropped_label, dropped_why)] = dropped(sentence)
    assert (dropped_label, why in dropped_why) == (label, True)


def test_record_of_a_dropped_entity_says_what_stands_in_the_file(read):
    [sentence] = read("cluener", {"text": "沪", "label": {"LOC": {"上海": [[0, 1]]}}})
    [record] = sentence.records
    assert (record.before, record.label) == ("[0, 1] 上海", "LOC")


@pytest.mark.parametrize(
    ("tool", "record"),
    [
        ("cluener", {"text": TEXT, "label": {"PER": {"王二": [[0, 1]]}}}),
        ("label-studio", task({"result": [region(0, 2, "PER", text="王二")]})),
        (
            "label-studio",
            {"text": TEXT, "label": [region(0, 2, "PER", text="王二")["value"]]},
        ),
        ("prodigy", {"text": TEXT, "spans": [{**OBJECTS[0], "text": "王二"}]}),
    ],
)
def test_text_that_differs_from_the_one_at_the_offsets_is_recorded(read, tool, record):
    [sentence] = read(tool, record)
    assert entities(sentence) == [("王博", "PER")]
    [mismatch] = sentence.records
    assert (mismatch.kind, mismatch.label) == ("text-mismatch", "PER")
    assert (mismatch.before, mismatch.after) == ("王二", "王博")


@pytest.mark.parametrize(("tool", "good"), FORMS)
@pytest.mark.parametrize("record", ["{", 7, "text", [], {}, {"text": TEXT}, {"text": 7}])
def test_record_of_another_form_is_recorded_and_the_rest_is_read(read, tool, good, record):
    line = record if record == "{" else json.dumps(record)
    first, bad, last = read(tool, good, line, good)
    assert (list(bad.tokens), list(bad.spans), kinds(bad)) == ([], [], ["bad-record"])
    assert entities(first) == entities(last) == BOTH


def test_record_that_is_not_utf8_is_recorded(read):
    _, sentence = read("doccano", FORMS[1][1], '{"text": "沪", "label": []}'.encode("gbk"))
    assert kinds(sentence) == ["not-utf8"]


def test_object_with_a_key_twice_is_recorded(read):
    line = '{"text": "沪沪", "label": {"LOC": {"沪": [[0, 0]], "沪": [[1, 1]]}}}'
    _, sentence = read("cluener", FORMS[0][1], line)
    assert [label for label, _ in dropped(sentence)] == ["LOC"]


@pytest.mark.parametrize(
    ("tool", "content", "message"),
    [
        ("cluener", {"text": TEXT}, "file.jsonl:1: 'label' is no object: .* cluener"),
        ("doccano", {"text": TEXT, "label": ["O"]}, "file.jsonl:1: no list of entities"),
        ("prodigy", "\n[1]", "file.jsonl:2: it is no object"),
        ("spacy", "text", "file.jsonl:1: neither JSON nor"),
        ("spacy", "沪 O".encode("gbk"), "file.jsonl:1: not UTF-8"),
        ("label-studio", '[{"data": {}', "file.jsonl:2: the JSON array is cut off"),
        ("label-studio", "a\0", "file.jsonl:1: a binary file"),
    ],
)
def test_file_of_another_form_is_one_clear_error(write, tool, content, message):
    with pytest.raises(CorpusError, match=message):
        OffsetsReader(write(content), Options(), tool)


@pytest.mark.parametrize("tool", TOOLS)
def test_empty_file_has_no_sentences(read, tool):
    assert read(tool) == []


@pytest.mark.parametrize(
    "content",
    [
        "{ O\n沪 B-LOC",
        "[ O\n] O",
        "[\tO",
        "( O",
        '{"text": "沪", "labels": ["O"]}',
        '{"tokens": ["沪"], "ner_tags": [3]}',
        '{"text": "沪"}',
        "",
        "\0",
        '[{"text": "沪", "label": [[',
    ],
)
def test_files_of_other_formats_do_not_match(write, tmp_path, content):
    assert find_tool(write(content, name="file.txt")) is None
    assert not any(matches(tmp_path, tool) for tool in TOOLS)


def test_records_without_entities_do_not_decide(write):
    empty = {"text": "沪", "entities": []}
    assert (
        find_tool(write(empty, "", {"text": "沪", "entities": [[0, 1, "LOC"]]})) == "spacy"
    )
    assert find_tool(write(empty)) == "doccano"


@pytest.mark.parametrize("key", ["entities", "spans", "ents"])
def test_entities_whose_labels_a_tool_does_not_know_do_not_decide(write, key):
    names = ("start_offset", "end_offset") if key == "entities" else ("start", "end")
    typed = [{names[0]: a, names[1]: b, "type": c} for a, b, c in PEOPLE]
    path = write({"text": TEXT, key: typed})
    assert find_tool(path) == "offsets"
    [sentence] = OffsetsReader(path, Options(), "offsets")
    assert entities(sentence) == BOTH


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_found_and_say_the_same(samples, name):
    expected = list(open_reader(samples / "tagged.jsonl", Options()))
    reader = open_reader(samples / name, Options())
    assert reader.evidence.startswith(f"{SAMPLES[name]}, records 5")
    for sentence, other in zip(reader, expected, strict=True):
        assert sentence.tokens == other.tokens
        assert sorted(entities(sentence)) == sorted(entities(other))
        assert not sentence.records


keys = st.sampled_from(
    sorted(set(re.findall(r"\w+", str([record for _, record in FORMS]))) | {""})
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.sampled_from([TEXT, "", "PER", 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated_records(draw):
    """A known record, with one of its parts replaced."""
    _, record = draw(st.sampled_from(FORMS))
    value = json.loads(json.dumps(record))
    part = value
    for _ in range(draw(st.integers(0, 6))):
        places = list(part) if isinstance(part, dict) else list(range(len(part)))
        if not places:
            break
        place = draw(st.sampled_from(places))
        if not isinstance(part[place], (dict, list)) or draw(st.booleans()):
            part[place] = draw(json_values)
            break
        part = part[place]
    return value


@given(mutated_records() | json_values)
@settings(max_examples=500)
def test_any_record_is_read_or_a_bad_record(record):
    for parse in TOOLS.values():
        with suppress(BadRecord):
            assert isinstance(parse(record).text, str)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    tool=st.sampled_from(list(TOOLS)),
    values=st.lists(mutated_records(), min_size=1, max_size=3),
)
def test_any_records_give_sentences_or_a_clear_error(write, tool, values):
    path = write(*values)
    try:
        reader = OffsetsReader(path, Options(), tool)
    except CorpusError:
        return
    sentences = list(reader)
    assert len(reader) == len(sentences) == len(values)
    for sentence in sentences:
        if not any(kind in UNREPAIRABLE for kind in kinds(sentence)):
            assert isinstance(sentence.tokens, str)
        assert all(0 <= s.start < s.end <= len(sentence.tokens) for s in sentence.spans)
        assert all(isinstance(s.label, str) and s.label.strip() for s in sentence.spans)


labels = st.sampled_from(["PER", "LOC", 3, None, ""])
offsets = st.integers(-1, 9) | st.none()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(offsets, offsets, labels), min_size=1))
def test_every_entity_is_a_span_or_a_record(write, rows):
    named = [str(label) if isinstance(label, str) else "" for _, _, label in rows]
    objects = [{"start": a, "end": b, "label": c} for a, b, c in rows]
    regions = [region(a, b, c) for a, b, c in rows]
    for tool, record in (
        ("doccano", {"text": TEXT, "label": rows}),
        ("prodigy", {"text": TEXT, "spans": objects}),
        ("label-studio", task({"result": regions[:2]}, {"result": regions[2:]})),
        ("label-studio", {"text": TEXT, "x": [item["value"] for item in regions]}),
        ("spacy", [TEXT, {"entities": rows}]),
        ("offsets", {"text": TEXT, "entities": objects}),
    ):
        [sentence] = OffsetsReader(write(record), Options(), tool)
        found = [span.label for span in sentence.spans]
        lost = [label for label, _ in dropped(sentence)]
        assert Counter(found + lost) == Counter(named)
