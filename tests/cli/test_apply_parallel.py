import json
import os
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import spacy
from click import unstyle
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group
from spacy_bilstm_crf.parallel import apply, job, local_engine

PIPELINE = Path(__file__).parents[1] / "fixtures" / "saved_model" / "pipeline"
TEXT = "安澜，男，汉族，中国国籍。"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Processes take seconds to start. These are tried in tests/parallel.
    start = lambda workers, context, initializer: ThreadPoolExecutor(workers)  # noqa: E731
    monkeypatch.setattr(local_engine, "ProcessPoolExecutor", start)

    def invoke(*args, model=PIPELINE):
        args = ["apply-parallel", model, "in.jsonl", "out", *args]
        result = CliRunner().invoke(group, list(map(str, args)))
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, " ".join(unstyle(result.output).split())

    return invoke


def write(*rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    Path("in.jsonl").write_text("\n".join(lines), "utf8")


def read():
    lines = [p.read_text("utf8") for p in sorted(Path("out", "rows").iterdir())]
    return [json.loads(line) for line in "".join(lines).splitlines()]


def test_rows_get_entities_with_their_confidence(run):
    write({"id": 7, "text": TEXT}, {"text": ""})
    code, shown = run()
    assert code == 0
    assert "✔ out: 2 rows in 1 file, " in shown
    assert "rows/s" in shown
    row, empty = read()
    assert (row["id"], row["text"], empty["entities"]) == (7, TEXT, [])
    found = [TEXT[ent["start"] : ent["end"]] for ent in row["entities"]]
    assert found == [ent.text for ent in spacy.load(PIPELINE)(TEXT).ents]
    assert all(0 < ent["score"] <= 1 for ent in row["entities"])


def test_a_second_run_goes_on_where_the_first_one_was(run):
    write({"text": TEXT}, {"text": ""}, {"text": TEXT})
    assert run("--shard-rows", 1)[0] == 0
    expected = read()
    Path("out/rows/000000000001-000000000001.jsonl").unlink()
    code, shown = run("--shard-rows", 1)
    assert code == 0
    assert "ℹ 2 rows were done before ✔ out: 3 rows in 3 files, " in shown
    assert read() == expected
    code, shown = run("--shard-rows", 1)
    assert (code, shown) == (0, "ℹ 3 rows were done before ✔ out: 3 rows in 3 files")


def test_columns_have_other_names_and_scores_are_left_out(run):
    write({"t": TEXT, "entities": 1})
    options = ("--text-column", "t", "--entities-column", "found", "--no-scores")
    assert run(*options)[0] == 0
    [row] = read()
    assert row["entities"] == 1
    assert row["found"][0]["score"] is None


def test_bad_rows_are_kept_aside_and_the_first_is_shown(run):
    write({"text": TEXT}, '{"text": 3}', "nothing")
    code, shown = run()
    assert code == 0
    file_ = Path("in.jsonl").resolve()
    text = f"⚠ 2 bad rows are in out{os.sep}bad_rows. First: {file_}:2: not a text: 3"
    assert shown.endswith(text)
    assert len(read()) == 1
    path = Path("out/bad_rows/000000000000-000000000002.jsonl")
    first, second = map(json.loads, path.read_text("utf8").splitlines())
    assert first["record"] == '{"text": 3}'
    assert second["reason"].startswith("not JSON: ")
    assert (second["row"], second["source"]) == (2, f"{file_}:3")


def test_if_all_rows_are_bad_the_command_fails(run):
    write({"txt": TEXT})
    code, shown = run()
    assert code == 1
    assert "⚠ 1 bad row is in out" in shown
    assert shown.endswith("✘ No row has a text that can be read")


def test_workers_that_die_are_one_clear_error(run, monkeypatch):
    def die(self, shard):
        raise BrokenProcessPool

    monkeypatch.setattr(job.Job, "predict", die)
    write({"text": TEXT})
    code, shown = run()
    assert code == 1
    message = f"✘ {Path('in.jsonl').resolve()}:1: 3 worker processes died with the 1 rows"
    assert message in shown


def test_an_interrupted_run_says_how_to_go_on(run, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(apply, "apply_parallel", interrupt)
    write({"text": TEXT})
    code, shown = run()
    assert code != 0
    assert shown.startswith("⚠ Interrupted: the same command goes on where this one was")


def test_a_cluster_is_named_before_it_is_waited_for(run, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")

    def fail(*args, **kwargs):
        raise OSError("no answer")

    monkeypatch.setattr(apply, "apply_parallel", fail)
    shown = "ℹ Connecting to Ray at 10.0.0.1:6379 ✘ no answer"
    assert run("--engine", "ray") == (1, shown)
    assert run() == (1, "✘ no answer")


@pytest.mark.parametrize(
    ("args", "model", "message"),
    [
        ((), "nowhere", "no pipeline 'nowhere': give its folder"),
        (("--text-column", "entities"), PIPELINE, "give each another name"),
        (("--shard-rows", "2"), PIPELINE, "shard_rows was 10000 and is 2"),
        (("--entities-column", "text2"), PIPELINE, 'was "entities" and is "text2"'),
    ],
)
def test_mistakes_are_one_clear_error(run, args, model, message):
    write({"text": TEXT})
    if model == PIPELINE:
        assert run()[0] == 0
    code, shown = run(*args, model=model)
    assert code == 1
    assert shown.startswith("✘ ")
    assert message in shown


def test_an_input_that_is_not_there_is_one_clear_error(run):
    assert run() == (1, "✘ in.jsonl does not exist")


def test_a_row_with_entities_already_is_one_clear_error(run):
    write({"text": TEXT, "entities": []})
    code, shown = run()
    assert code == 1
    assert "in.jsonl:1: there is 'entities' already: choose another name" in shown


def test_help_explains_every_option(run):
    result = CliRunner().invoke(group, ["apply-parallel", "--help"])
    assert result.exit_code == 0
    shown = unstyle(result.output)
    for option in ("--workers", "--engine", "--shard-rows", "--batch-size", "--no-scores"):
        assert option in shown
