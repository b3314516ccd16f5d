import functools
import json
import warnings
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus import json_records as module
from spacy_bilstm_crf.corpus.json_records import Broken, bad_record, read_records
from spacy_bilstm_crf.corpus.sentence import UNREPAIRABLE, CorpusError


@pytest.fixture
def read(tmp_path):
    def read_content(content):
        path = tmp_path / "file.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf8"))
        return list(read_records(path))

    return read_content


def test_each_line_is_a_record(read):
    assert read('{"a": 1}\n\n \t\n["b", {}]\n') == [(1, {"a": 1}), (4, ["b", {}])]


def test_last_line_needs_no_line_end(read):
    assert read('{"a": 1}\n{"b": 2}') == [(1, {"a": 1}), (2, {"b": 2})]


@pytest.mark.parametrize("content", ['{"a": "中"}\r\n', '[{"a": "中"}]\r\n'])
def test_crlf_and_byte_order_mark_are_not_content(read, content):
    assert read(b"\xef\xbb\xbf" + content.encode()) == [(1, {"a": "中"})]


def test_line_may_be_a_python_literal(read):
    assert read("{'a': ['中', 1]}\n('b', {'c': (0, 2)})\n") == [
        (1, {"a": ["中", 1]}),
        (2, ("b", {"c": (0, 2)})),
    ]


def test_code_is_not_run(read, tmp_path):
    target = tmp_path / "made"
    [(_, value)] = read(f"{{'a': open({str(target)!r}, 'w')}}\n")
    assert isinstance(value, Broken)
    assert not target.exists()


@pytest.mark.parametrize("indent", [None, 1])
def test_entries_of_an_array_are_records(read, indent):
    entries = [{"a": "]},{", "b": {"c": []}}, ["d", "\n"], {}]
    assert [value for _, value in read(json.dumps(entries, indent=indent))] == entries


def test_entries_of_an_array_have_the_line_they_begin_on(read):
    content = '\n[\n  {\n    "a": 1\n  },\n\n  {"b":\n 2}, {"c": 3}\n]\n'
    assert [line for line, _ in read(content)] == [3, 7, 8]


@given(
    entries=st.lists(
        st.dictionaries(st.text(max_size=3), st.text(max_size=30) | st.floats() | st.none())
    ),
    indent=st.none() | st.integers(0, 2),
    ascii=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_array_is_the_same_however_it_is_cut_into_chunks(
    read, monkeypatch, entries, indent, ascii
):
    # In the middle of numbers and escapes too.
    monkeypatch.setattr(module, "CHUNK", 3)
    monkeypatch.setattr(module, "is_array", lambda path: True)
    content = json.dumps(entries, indent=indent, ensure_ascii=ascii)
    values = [value for _, value in read(content)]
    assert json.dumps(values) == json.dumps(entries)


@pytest.mark.parametrize("cut", range(1, 44))
def test_array_that_is_cut_off_is_an_error_at_its_end(read, cut):
    content = '[{"a": "中"},\n{"b": [1.5, true]},\n{"c": -1e3}]'
    last = content[:-cut].count("\n") + 1
    message = rf"file.json:{last}: the JSON array is cut off"
    with pytest.raises(CorpusError, match=message):
        read(content[:-cut])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"a": 1}\n {"b": 2}]', "file.json:2: a comma is missing"),
        (
            '[{"a": 1},\n{"b" 2}, {"c": 3}, {"d": 4}]',
            "file.json:2: not JSON: Expecting ':'",
        ),
        ('[{"a": 1},\n{"b": \\"}, {"c": 3}, {"d": 4}]', "file.json:2: not JSON"),
        ('[{"a": 1}]\n[{"b": 2}]', "file.json:2: there is more after the end"),
        ('[{"a": ' + 100_000 * "[", "file.json:1: the JSON is nested too deeply"),
        (b'[{"a": 1},\n{"b": "' + "中".encode("gbk") + b'"}]', "file.json:1: not UTF-8"),
        ('[{"a": 1}]'.encode("utf-16"), "file.json:1: UTF-16"),
        (b'{"a": "\0"}', "file.json:1: a binary file"),
    ],
)
def test_what_is_no_array_is_one_clear_error(read, content, message):
    with pytest.raises(CorpusError, match=message):
        read(content)


def test_broken_entry_is_an_error_before_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 64)
    path = tmp_path / "file.json"
    path.write_text('[{"a" 1}, ' + 1000 * '{"b": 2}, ' + "{}]", "utf8")
    sizes = []
    grow = module._Window._grow

    def spy(window):
        sizes.append(len(window.text))
        return grow(window)

    monkeypatch.setattr(module._Window, "_grow", spy)
    with pytest.raises(CorpusError, match="Expecting ':'"):
        list(read_records(path))
    assert max(sizes) <= 64


def test_long_entry_is_not_looked_at_for_every_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 64)
    path = tmp_path / "file.json"
    path.write_text(json.dumps([{"a": 100_000 * "b"}]), "utf8")
    calls = []
    grow = module._Window._grow
    monkeypatch.setattr(module._Window, "_grow", lambda w: calls.append(1) or grow(w))
    assert len(list(read_records(path))) == 1
    assert len(calls) < 20


def test_what_is_shown_of_a_value_is_short():
    nested = functools.reduce(lambda inner, _: [inner], range(10_000), "a")
    assert len(module.show(nested)) <= len(module.show(["a" * 99] * 99)) == module.SHOWN


@pytest.mark.parametrize(
    "line",
    [
        "{'a': 1",
        '{"a": 1',
        "text",
        "{ O",
        "[ B-LOC",
        "{[]: 1}",
        "{'a': f'{1}'}",
        "{'a': " + 5000 * "9" + "}",
        "{'a': 0x" + 5000 * "f" + "}",
        *(bracket * 100_000 for bracket in "({-"),
        '["a", ' + 100_000 * "[",
        "{'a': " + 100_000 * "(",
        "{'a': " + 100_000 * "-" + "1}",
        "{'a': " + 100_000 * "not " + "1}",
        "{'a': " + 50_000 * "1+" + "1}",
    ],
)
def test_line_that_cannot_be_read_is_broken_and_the_rest_is_read(read, line):
    (number, value), rest = read(f"{line}\n" + '{"b": 2}\n')
    assert (number, value.kind) == (1, "bad-record")
    assert "neither JSON nor a Python literal" in value.why
    assert value.before == line[: module.SHOWN]
    assert rest == (2, {"b": 2})


def test_line_that_is_not_utf8_is_broken_and_the_rest_is_read(read):
    (_, value), rest = read('{"a": "中"}\n'.encode("gbk") + b"{}\n")
    assert value.kind == "not-utf8"
    assert rest == (2, {})


@pytest.mark.parametrize("line", ['{"a": {"b": 1, "b": 2}}', '[{"a": {"b": 1, "b": 2}}]'])
def test_object_with_a_key_twice_is_broken(read, line):
    [(_, value)] = read(line)
    assert value["a"].why == "'b' stands twice in one object"


def test_dict_with_a_key_twice_is_broken(read):
    [(_, value)] = read("{'a': [({'b': 1, 'b': 2},)]}\n")
    assert value.why == "a key stands twice in one dict"


@pytest.mark.parametrize(
    "content", ['{"a": "\\ud83d"}', "{'a': ['\\ud83d']}", '[["\\ud83d", {}]]']
)
def test_half_of_a_surrogate_pair_is_broken(read, content):
    [(_, value)] = read(content)
    assert value.why == "half of a surrogate pair is no character"
    value.before.encode("utf8")


def test_escaped_surrogate_pair_is_one_character(read):
    assert read('{"a": "\\ud83d\\ude00"}') == [(1, {"a": "😀"})]


@pytest.mark.parametrize("content", ["{}", "[{}]"])
def test_odd_numbers_are_read(read, content):
    content = content.replace("{}", '{"a": NaN, "b": -Infinity, "c": ' + 5000 * "9" + "}")
    [(_, value)] = read(content)
    assert value["a"] != value["a"]
    assert (value["b"], value["c"]) == (float("-inf"), 5000 * "9")


def test_deep_nesting_is_broken_or_an_error(read):
    # Some of these can be read, but not written again.
    for depth in range(800, 1000):
        nested = '{"a": ' + depth * "[" + depth * "]" + "}"
        assert len(read(nested)) == 1
        with suppress(CorpusError):
            assert len(read(f"[{nested}]")) == 1


def test_escapes_that_python_warns_about_are_what_they_look_like(read):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read("{'a': '\\d'}") == [(1, {"a": "\\d"})]
    assert not caught


def test_control_characters_in_strings_are_read(read):
    assert read('{"a": "b\tc"}') == [(1, {"a": "b\tc"})]
    assert read('[{"a": "b\tc"}]') == [(1, {"a": "b\tc"})]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "[]", "[\n]\n"])
def test_file_without_records_has_none(read, content):
    assert read(content) == []


def test_bad_record_stands_for_a_sentence_to_be_dropped(tmp_path):
    sentence = bad_record(tmp_path, 7, Broken("why", "before"))
    [record] = sentence.records
    assert (len(sentence.tokens), len(sentence.spans), sentence.line) == (0, 0, 7)
    assert (record.line, record.why, record.before) == (7, "why", "before")
    assert record.kind in UNREPAIRABLE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([*"[]{},:\"'\\\n 1", "[{", "null", '"a":', "中", "\ud800"])
    ).map("".join)
)
def test_any_text_gives_records_or_a_clear_error(read, content):
    with suppress(CorpusError):
        for _, value in read(content.encode("utf8", "surrogatepass")):
            repr(value).encode("utf8")
