import json

import pytest

from spacy_bilstm_crf.corpus.readers.offsets import OffsetsReader
from spacy_bilstm_crf.corpus.sentence import Options

TEXT = "王博住在南湖。"
OBJECTS = [{"start": 0, "end": 2, "label": "PER"}, {"start": 4, "end": 6, "label": "LOC"}]
BOTH = [("王博", "PER"), ("南湖", "LOC")]


@pytest.fixture
def read(tmp_path):
    def read_record(tool, record):
        path = tmp_path / "file.jsonl"
        path.write_text(json.dumps(record), "utf8")
        [sentence] = OffsetsReader(path, Options(), tool)
        return sentence

    return read_record


def entities(sentence):
    return [(sentence.tokens[s.start : s.end], s.label) for s in sentence.spans]


def dropped(sentence):
    drops = [r for r in sentence.records if r.kind == "entity-dropped"]
    return [(r.label, r.why.removeprefix("entity dropped: ")) for r in drops]


def test_cluener_may_have_several_places_for_a_text(read):
    sentence = read(
        "cluener", {"text": "沪杭沪", "label": {"LOC": {"沪": [[0, 0], [2, 2]]}}}
    )
    assert [span[:2] for span in sentence.spans] == [(0, 1), (2, 3)]
    assert not sentence.records


@pytest.mark.parametrize("places", [[], {}, None, "0-1", [[0]], [[0, None]], [[0, True]]])
def test_cluener_text_without_place_is_dropped_and_recorded(read, places):
    sentence = read("cluener", {"text": TEXT, "label": {"PER": {"王博": places}}})
    assert [label for label, _ in dropped(sentence)] == ["PER"]
    assert not sentence.spans


def test_cluener_label_without_texts_is_dropped_and_recorded(read):
    sentence = read("cluener", {"text": TEXT, "label": {"PER": [[0, 1]]}})
    assert [label for label, _ in dropped(sentence)] == ["PER"]


def test_doccano_lists_under_two_names_are_both_read(read):
    record = {"text": TEXT, "entities": [], "label": [[0, 2, "PER"]]}
    sentence = read("doccano", record)
    assert entities(sentence) == [("王博", "PER")]


@pytest.mark.parametrize(
    ("label", "expected"),
    [({"label": 3}, "3"), ({"label": 3, "label_name": "PER"}, "PER")],
)
def test_doccano_labels_may_be_numbers(read, label, expected):
    annotation = {**label, "start_offset": 0, "end_offset": 2, "user": 1}
    sentence = read("doccano", {"text": TEXT, "annotations": [annotation]})
    assert entities(sentence) == [("王博", expected)]


@pytest.mark.parametrize("answer", ["reject", "ignore", None])
def test_prodigy_answer_that_is_not_accept_is_no_gold(read, answer):
    record = {"text": TEXT, "spans": OBJECTS, "answer": answer}
    sentence = read("prodigy", record)
    # The entities are there, to be listed with the sentence.
    assert entities(sentence) == BOTH
    [record] = sentence.records
    assert (record.kind, f"answer is {answer!r}" in record.why) == ("not-gold", True)


def test_prodigy_task_with_an_answer_needs_no_spans(read):
    sentence = read("prodigy", {"text": TEXT, "answer": "accept"})
    assert (sentence.tokens, sentence.spans, sentence.records) == (TEXT, [], [])


def test_spacy_entities_may_have_an_id(read):
    sentence = read("spacy", [TEXT, {"entities": [[0, 2, "PER", "Q1"]]}])
    assert (entities(sentence), sentence.records) == ([("王博", "PER")], [])
