import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.formats import open_reader
from spacy_bilstm_crf.corpus.readers.tagged_json import TaggedJsonReader, matches
from spacy_bilstm_crf.corpus.sentence import UNREPAIRABLE, CorpusError, Options


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
    def read_records(*records, options=Options()):
        return list(TaggedJsonReader(write(*records), options))

    return read_records


def entities(sentence):
    return [
        ("".join(sentence.tokens[span.start : span.end]), span.label)
        for span in sentence.spans
    ]


def records(sentences):
    return [(r.line, r.kind) for sentence in sentences for r in sentence.records]


GOOD = {"text": "沪杭", "labels": ["B-LOC", "B-LOC"]}


def test_characters_of_a_text_are_tokens(read):
    [sentence] = read({"text": "在南湖", "labels": ["O", "B-LOC", "I-LOC"]})
    assert (sentence.tokens, sentence.is_text) == ("在南湖", True)
    assert sentence.spans == [(1, 3, "LOC", 1)]


def test_text_may_be_a_list_of_tokens(read):
    [sentence] = read({"text": ["New Haven", " ", "中"], "labels": ["B-LOC", "O", "O"]})
    assert (list(sentence.tokens), sentence.is_text) == (["New Haven", " ", "中"], False)
    assert entities(sentence) == [("New Haven", "LOC")]


def test_records_may_be_python_dicts(read):
    [sentence] = read("{'text': ['中', '\"'], 'labels': ('B-LOC', 'O')}")
    assert entities(sentence) == [("中", "LOC")]


def test_records_may_be_in_an_array(read):
    assert len(read(json.dumps([GOOD, GOOD], indent=2))) == 2


@pytest.mark.parametrize("tokens", ["text", "tokens", "words", "sentence"])
@pytest.mark.parametrize("tags", ["labels", "tags", "ner_tags", "label"])
def test_other_names_for_the_same(read, tokens, tags):
    [sentence] = read({"id": "1", tokens: ["沪"], tags: ["B-LOC"]})
    assert entities(sentence) == [("沪", "LOC")]


def test_tags_belong_to_the_tokens_rather_than_to_the_text(read):
    record = {"text": "New Haven", "tokens": ["New", "Haven"], "ner_tags": ["B-L", "I-L"]}
    [sentence] = read(record)
    assert (sentence.tokens, sentence.spans) == (["New", "Haven"], [(0, 2, "L", 1)])


def test_lists_of_something_else_are_not_taken_for_tokens_or_tags(read):
    record = {"tokens": [{"text": "沪"}], "text": "沪", "labels": [3], "tags": ["B-LOC"]}
    [sentence] = read(record)
    assert entities(sentence) == [("沪", "LOC")]


def test_everything_has_the_line_of_its_record(read):
    _, sentence = read(GOOD, "", {"text": "沪杭杭", "labels": ["I-LOC", "O", "X"]})
    assert (sentence.line, [span.line for span in sentence.spans]) == (3, [3])
    assert records([sentence]) == [(3, "illegal-tag"), (3, "unknown-tag")]


def test_scheme_may_be_given(read):
    [sentence] = read({"text": "沪", "labels": ["S-LOC"]}, options=Options(scheme="bio"))
    assert records([sentence]) == [(1, "illegal-tag")]


@pytest.mark.parametrize(
    ("text", "tags", "lost"),
    [
        ("在沪", ["O", "B-LOC", "B-LOC"], ["LOC", "LOC"]),
        ("在沪。", ["O", "B-LOC"], ["LOC"]),
        (["在", "沪"], ["O", "B-LOC", "I-LOC"], ["LOC"]),
        ("", ["O"], []),
        (["在"], [], []),
    ],
)
def test_wrong_number_of_tags_is_recorded(read, text, tags, lost):
    _, sentence = read(GOOD, {"text": text, "labels": tags})
    assert records([sentence]) == [(2, "length-mismatch")]
    assert f"{len(tags)} tags for {len(text)} tokens" in sentence.records[0].why
    # For the list of the entities that are dropped with the sentence.
    assert [span.label for span in sentence.spans] == lost
    assert all(span.end <= len(sentence.tokens) for span in sentence.spans)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ('{"text": "沪", "labels"', "neither JSON nor"),
        ("[1]", "not an object"),
        ({"labels": ["O"]}, "the keys labels is of no known layout: see docs/formats.md"),
        ({"text": 3, "labels": ["O"]}, "the keys text, labels is of no known layout"),
        ({"text": [3], "labels": ["O"]}, "the keys text, labels is of no known layout"),
        ({"a\nb" * 9: 1, "c": 2}, r"the keys a\nba\nba\nba\nba\nb, c is of no"),
        (dict.fromkeys("abcdefghij"), "the keys a, b, c, d, e, f, g, h is of no"),
        ({"labels": []}, "the keys labels is of no known layout"),
        ({}, "the keys (none) is of no known layout"),
        ({"text": "沪"}, "no annotation"),
        ({"id": 1, "text": "沪", "meta": {}, "Comments": []}, "no annotation"),
        (
            {"text": "沪", "labels": [5]},
            "its tags are numbers: replace them by their names",
        ),
        ({"tokens": ["沪"], "ner_tags": [0]}, "its tags are numbers"),
        ({"text": "沪", "labels": "O"}, "the keys text, labels is of no known layout"),
        ({"text": "沪", "ents": [7]}, "the keys text, ents is of no known layout"),
        ({"text": [""], "labels": ["O"]}, "an empty token"),
    ],
)
def test_record_that_cannot_be_read_is_recorded_and_the_rest_is_read(read, record, why):
    first, second = read(record, GOOD)
    assert (list(first.tokens), list(first.spans)) == ([], [])
    assert records([first]) == [(1, "bad-record")]
    assert why in first.records[0].why
    assert len(second.spans) == 2


def test_record_that_is_not_utf8_is_recorded(read):
    _, sentence = read(GOOD, '{"text": "沪", "labels": ["B-LOC"]}'.encode("gbk"))
    assert records([sentence]) == [(2, "not-utf8")]


def test_text_without_characters_is_a_sentence(read):
    assert [len(s.tokens) for s in read(GOOD, {"text": "", "labels": []})] == [2, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "沪", "labels": [1]}', "file.jsonl:1: .*numbers.* as B-PER$"),
        ('\n{"id": 0, "paragraphs": []}', "file.jsonl:2: .*the keys id, paragraphs is of"),
        ('{"a": 1}\n{"text": ""}', "file.jsonl:1: a record with the keys a is of"),
        ("[[1]]", "file.jsonl:1: not an object .*: write records such as"),
        ("plain text", "file.jsonl:1: neither JSON nor a Python literal"),
        ('{"text": "沪", "labels": []}', "file.jsonl:1: 0 tags for 1 tokens"),
        ('{"text": "沪", "labels": ["X"]}', "file.jsonl: no tag such as O or B-PER"),
        ('{"text": "沪沪", "labels": ["O", "X"]}', r"file.jsonl: .*'X'"),
        ('[{"text": "沪"', "^[^:]*file.jsonl:2: the JSON array is cut off"),
        (
            '{"text": "沪", "labels": ["B-LOC"]}'.encode("gbk"),
            "not UTF-8: save the file as UTF-8$",
        ),
    ],
)
def test_file_without_tokens_and_tags_is_one_clear_error(write, content, message):
    with pytest.raises(CorpusError, match=message):
        TaggedJsonReader(write(content))


def test_empty_file_has_no_sentences(write):
    reader = TaggedJsonReader(write())
    assert (len(reader), list(reader)) == (0, [])


def test_reader_can_be_gone_through_twice(write):
    reader = TaggedJsonReader(write(GOOD, GOOD))
    assert list(reader) == list(reader)
    assert len(reader) == len(list(reader)) == 2


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("{'text': '沪', 'labels': ['O']}", "a.txt", True),
        ('{"text": "沪", "labels": ["O"]}', "a", True),
        ('[{"text": "沪", "labels": ["O"]}]', "a", True),
        ("{ O\n沪 B-LOC", "a.txt", False),
        ("[ O\n] O", "a.txt", False),
        ("{\tO", "a.txt", False),
        ("( B-X\n( I-X", "a.txt", False),
        ('{"text": "沪"}', "a.txt", False),
        ("", "a.txt", False),
        ("\0", "a.txt", False),
        ('[{"text": "沪", ', "a.txt", False),
        # The reader says what is wrong with these.
        ("text", "a.json", True),
        ("text", "a.jsonl", True),
    ],
)
def test_matches_looks_at_the_beginning(write, content, name, expected):
    assert matches(write(content, name=name)) is expected


def test_folder_does_not_match(tmp_path):
    folder = tmp_path / "a.json"
    folder.mkdir()
    assert not matches(folder)


@pytest.mark.parametrize("name", ["tagged.jsonl", "tagged_dicts.txt"])
def test_samples_are_found_and_say_the_same(samples, name):
    expected = list(open_reader(samples / "chinese.bio", Options()))
    reader = open_reader(samples / name, Options())
    assert isinstance(reader, TaggedJsonReader)
    for sentence, other in zip(reader, expected, strict=True):
        assert list(sentence.tokens) == list(other.tokens)
        assert [span[:3] for span in sentence.spans] == [span[:3] for span in other.spans]
        assert not sentence.records


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": st.text("中 \n", max_size=3) | st.lists(st.text("中", max_size=2))},
            optional={"labels": st.lists(st.sampled_from(["O", "B-X", "I-X", "", "?"]))},
        )
    )
)
def test_any_records_give_sentences_or_a_clear_error(write, values):
    try:
        reader = TaggedJsonReader(write(*values))
    except CorpusError:
        return
    sentences = list(reader)
    assert len(reader) == len(sentences) == len(values)
    for sentence in sentences:
        if not any(record.kind in UNREPAIRABLE for record in sentence.records):
            assert all(sentence.tokens)
        assert all(0 <= s.start < s.end <= len(sentence.tokens) for s in sentence.spans)


@pytest.mark.parametrize(
    ("name", "sentences", "entities", "repairs"),
    [
        ("train_data3.txt", 940, 4320, []),
        ("train_data.txt", 814, 5108, [2, 2, 19]),
        ("resume.sample.json", 3, 13, []),
    ],
)
def test_zxuu_keeps_all_entities(corpora, name, sentences, entities, repairs):
    reader = open_reader(corpora / "zxuu" / name, Options())
    assert isinstance(reader, TaggedJsonReader)
    assert len(reader) == sentences
    assert sum(len(sentence.spans) for sentence in reader) == entities
    assert records(reader) == [(line, "illegal-tag") for line in repairs]
