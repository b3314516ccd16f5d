import json

import pytest

from spacy_bilstm_crf.parallel.shards import BadRow, Output, Shard

SHARDS = [Shard("in.jsonl", 0, 1, 0, 10), Shard("in.jsonl", 99, 11, 10, 3)]
SETTINGS = {"text_column": '"text"', "the model": "sha256 1"}


@pytest.fixture
def output(tmp_path):
    return Output(tmp_path / "out", ".jsonl")


def finish(output, shard):
    output.rows(shard).write_bytes(b"{}\n")


def test_names_tell_the_rows_and_are_in_their_order(output):
    paths = [output.rows(shard) for shard in SHARDS]
    assert [path.stem for path in paths] == [
        "000000000000-000000000009",
        "000000000010-000000000012",
    ]
    assert sorted(paths) == paths


def test_what_is_done_is_not_to_be_done_again(output):
    assert output.prepare(SETTINGS, SHARDS) == SHARDS
    finish(output, SHARDS[0])
    assert output.prepare(SETTINGS, SHARDS) == SHARDS[1:]
    finish(output, SHARDS[1])
    assert output.prepare(SETTINGS, SHARDS) == []


def test_rows_of_other_settings_are_an_error(output):
    output.prepare(SETTINGS, SHARDS)
    finish(output, SHARDS[0])
    other = {"text_column": '"txt"', "the model": "sha256 2"}
    with pytest.raises(ValueError, match="the content of the model has changed") as error:
        output.prepare(other, SHARDS)
    assert 'text_column was "text" and is "txt"' in str(error.value)
    assert output.rows(SHARDS[0]).exists()


def test_settings_may_change_before_there_are_rows(output):
    output.prepare(SETTINGS, SHARDS)
    assert output.prepare({"text_column": '"txt"'}, SHARDS) == SHARDS
    finish(output, SHARDS[0])
    assert output.prepare({"text_column": '"txt"'}, SHARDS) == SHARDS[1:]


@pytest.mark.parametrize("name", ["precious", "rows/000000000000-000000000009.jsonl"])
def test_a_folder_of_something_else_is_an_error(output, name):
    path = output.folder / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(ValueError, match=f"has other files, such as {name.split('/')[0]}:"):
        output.prepare(SETTINGS, SHARDS)
    assert [p for p in output.folder.rglob("*") if p.is_file()] == [path]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"editor": 1}'])
def test_settings_of_something_else_are_an_error(output, content):
    output.folder.mkdir()
    path = output.folder / "settings.json"
    path.write_bytes(content)
    (output.folder / ".a.tmp").touch()
    with pytest.raises(ValueError, match=r"has other files, such as settings\.json"):
        output.prepare(SETTINGS, SHARDS)
    assert path.read_bytes() == content
    assert len(list(output.folder.iterdir())) == 2


def test_what_killed_processes_have_begun_is_removed(output):
    output.prepare(SETTINGS, SHARDS)
    left = output.rows(SHARDS[0]).with_name(f".{output.rows(SHARDS[0]).name}.1.tmp")
    other = output.folder / "other"
    other.mkdir()
    for path in (left, output.folder / ".settings.json.1.tmp", other / ".a.tmp"):
        path.touch()
    assert output.prepare(SETTINGS, SHARDS) == SHARDS
    assert [path.name for path in output.folder.rglob(".*")] == [".a.tmp"]


def test_it_can_be_killed_while_it_begins(output):
    output.folder.mkdir()
    (output.folder / ".settings.json.1.tmp").touch()
    assert output.prepare(SETTINGS, SHARDS) == SHARDS
    for name in ("rows", "bad_rows"):
        (output.folder / name).rmdir()
    assert output.prepare(SETTINGS, SHARDS) == SHARDS
    finish(output, SHARDS[0])
    assert output.prepare(SETTINGS, SHARDS) == SHARDS[1:]


def test_nothing_is_written_through_a_link(output, tmp_path):
    (tmp_path / "precious").mkdir()
    output.prepare(SETTINGS, SHARDS)
    (output.folder / "rows").rmdir()
    (output.folder / "rows").symlink_to(tmp_path / "precious")
    with pytest.raises(ValueError, match="rows is a link to another folder"):
        output.prepare(SETTINGS, SHARDS)


def test_bad_rows_are_kept_and_those_of_another_attempt_are_not(output):
    output.prepare(SETTINGS, SHARDS)
    bad = [BadRow(row, "in.jsonl:1", "why", "\ud83d 张") for row in (11, 3)]
    for shard, row in zip(SHARDS, reversed(bad), strict=True):
        output.write_bad_rows(shard, [row])
    assert [row.row for row in output.read_bad_rows()] == [3, 11]
    [line] = output.bad_rows(SHARDS[0]).read_bytes().splitlines()
    assert json.loads(line) == bad[1]._asdict()
    output.write_bad_rows(SHARDS[0], [])
    assert list(output.read_bad_rows()) == bad[:1]
