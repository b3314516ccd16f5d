import json
from itertools import product

import pytest

from spacy_bilstm_crf.corpus.readers.entity_objects import (
    END_KEYS,
    LABEL_KEYS,
    LIST_KEYS,
    START_KEYS,
    SURFACE_KEYS,
    TEXT_KEYS,
    parse_offsets,
)
from spacy_bilstm_crf.corpus.readers.offset_records import BadRecord
from spacy_bilstm_crf.corpus.readers.offsets import N_LOOKED_AT, OffsetsReader
from spacy_bilstm_crf.corpus.sentence import Options

TEXT = "王博住在南湖。"


@pytest.fixture
def open_records(tmp_path):
    def open_file(*records):
        path = tmp_path / "file.jsonl"
        path.write_text("\n".join(map(json.dumps, records)), "utf8")
        return OffsetsReader(path, Options(), "offsets")

    return open_file


def record(*spans):
    keys = ("start", "end", "label", "text")
    items = [dict(zip(keys, span, strict=False)) for span in spans]
    return {"text": TEXT, "entities": items}


def entities(sentence):
    return [(sentence.tokens[s.start : s.end], s.label) for s in sentence.spans]


@pytest.mark.parametrize(
    ("text", "items", "start", "end", "label"),
    [
        *product(TEXT_KEYS, ["entities"], ["start"], ["end"], ["label"]),
        *product(["text"], LIST_KEYS, ["start"], ["end"], ["label"]),
        *product(["text"], ["entities"], START_KEYS, END_KEYS, LABEL_KEYS),
    ],
)
def test_other_names_for_the_same(text, items, start, end, label):
    entry = parse_offsets({text: TEXT, items: [{start: 4, end: 6, label: "LOC"}]})
    assert (entry.text, [span[:3] for span in entry.spans]) == (TEXT, [(4, 6, "LOC")])


@pytest.mark.parametrize("surface", SURFACE_KEYS)
def test_stated_texts_may_have_other_names(surface):
    item = {"start": 4, "end": 6, "type": "LOC", surface: "南湖"}
    [span] = parse_offsets({"text": TEXT, "ents": [item]}).spans
    assert span.text == "南湖"


@pytest.mark.parametrize(
    ("key", "item"),
    [
        ("tokens", {"start": 0, "end": 1, "tag": "NN"}),
        ("entities", {"start": 0, "label": "PER"}),
        ("entities", {"end": 1, "label": "PER"}),
        ("entities", [0, 1, "PER"]),
    ],
)
def test_what_has_no_offsets_is_no_entity_and_neither_are_tokens(key, item):
    with pytest.raises(BadRecord, match="no list of entities"):
        parse_offsets({"text": TEXT, key: [item]})


def test_faulty_entities_among_others_are_dropped_and_recorded(open_records):
    items = [7, {"label": "LOC"}, {"start": 0, "end": 2, "label": "PER"}]
    [sentence] = open_records({"text": TEXT, "entities": items})
    assert entities(sentence) == [("王博", "PER")]
    drops = [(r.kind, r.label) for r in sentence.records]
    assert drops == [("entity-dropped", ""), ("entity-dropped", "LOC")]


def test_ends_are_inclusive_if_the_stated_texts_say_so(open_records):
    reader = open_records(record((0, 1, "PER", "王博"), (4, 5, "LOC", "南湖")))
    [sentence] = reader
    assert entities(sentence) == [("王博", "PER"), ("南湖", "LOC")]
    assert not sentence.records
    assert reader.evidence == (
        "offsets, records 1; ends read as inclusive: 2 of 2 texts of entities agree"
    )


def test_ends_are_what_most_of_the_stated_texts_say(open_records):
    reader = open_records(
        record((0, 2, "PER", "王博"), (4, 5, "LOC", "南湖")), record((4, 6, "LOC", "南湖"))
    )
    first, second = reader
    assert entities(first) == [("王博", "PER"), ("南", "LOC")]
    assert [r.kind for r in first.records] == ["text-mismatch"]
    assert entities(second) == [("南湖", "LOC")]
    assert reader.evidence.endswith("exclusive: 2 of 3 texts of entities agree")


def test_ends_are_exclusive_if_as_many_texts_say_the_one_as_the_other(open_records):
    reader = open_records(record((0, 2, "PER", "王博"), (4, 5, "LOC", "南湖")))
    assert reader.evidence.endswith("exclusive: 1 of 2 texts of entities agree")


def test_ends_are_exclusive_if_no_entity_states_its_text(open_records):
    reader = open_records(record((0, 2, "PER")), record((0, None, "PER", "王博")))
    assert entities(next(iter(reader))) == [("王博", "PER")]
    assert reader.evidence.endswith("read as exclusive: no entity states its text")


def test_only_the_first_records_decide_about_the_ends(open_records):
    first = [record((0, 2, "PER", "王博"))] * N_LOOKED_AT
    reader = open_records(*first, *[record((0, 1, "PER", "王博"))] * 2 * N_LOOKED_AT)
    assert reader.evidence.endswith("exclusive: 100 of 100 texts of entities agree")


def test_inclusive_offsets_are_shown_as_the_file_has_them(open_records):
    [sentence] = open_records(
        record((0, 1, "PER", "王博"), (5, 9, "LOC"), (5, None, "LOC"))
    )
    drops = [(r.kind, r.label, r.before) for r in sentence.records]
    assert drops == [
        *(("entity-dropped", "LOC", "[5, 9]"), ("entity-dropped", "LOC", "5-None")),
    ]
