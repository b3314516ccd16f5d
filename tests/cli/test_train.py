import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import spacy
from click import unstyle
from safetensors.numpy import load_file
from spacy.cli._util import app
from spacy.tokens import DocBin
from thinc.util import has_cupy_gpu
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "bilstm_crf.cfg"
BEFORE_UPDATE = '\n[training.before_update]\n@callbacks = "kill.v1"\n'

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def run(overrides, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*args):
        # Of a setting that is there twice, the last one counts.
        command = ["train", str(CONFIG), *overrides, *map(str, args)]
        result = CliRunner().invoke(group, command, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, " ".join(unstyle(result.output).split())

    return invoke


def interrupt(output):
    """As if the training had been killed after its last evaluation."""
    state = output / "checkpoint" / "state.json"
    text = state.read_text("utf8")
    assert '"finished": true' in text
    state.write_text(text.replace('"finished": true', '"finished": false'), "utf8")


def test_it_shows_and_writes_what_spacy_train_does(run, overrides, tmp_path):
    code, shown = run("--output", "out")
    assert code == 0, shown
    command = ["train", str(CONFIG), "--output", "out2", *overrides]
    theirs = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    expected = " ".join(unstyle(theirs.output).split()).replace("out2", "out")
    # How wide a divider is depends on the terminal.
    assert shown.replace("=", "") == expected.replace("=", "")
    for name in ("model-best", "model-last"):
        ours, other = (spacy.load(tmp_path / out / name) for out in ("out", "out2"))
        assert ours.get_pipe("ner").to_bytes() == other.get_pipe("ner").to_bytes()


def test_killed_and_resumed_it_gives_the_weights_of_an_uninterrupted_training(
    overrides, tmp_path, monkeypatch
):
    config, code = tmp_path / "kill.cfg", tmp_path / "kill.py"
    config.write_text(CONFIG.read_text("utf8") + BEFORE_UPDATE, "utf8")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    code.write_text(importlib.import_module("resume").KILL, "utf8")

    def train(output, kill_at=""):
        command = [sys.executable, "-m", "spacy", "bilstm-crf", "train", str(config)]
        command += ["--code", str(code), "--output", str(tmp_path / output), "--resume"]
        env = {**os.environ, "KILL_AT": kill_at}
        return subprocess.run([*command, *overrides], env=env, capture_output=True)

    assert train("whole").returncode == 0
    rng = numpy.random.default_rng(8)
    steps = sorted(rng.choice(numpy.arange(1, 13), size=3, replace=False).tolist())
    for step in steps:
        killed = train("parts", str(step))
        assert killed.returncode == -9, (steps, killed.stderr.decode())
    assert train("parts").returncode == 0
    for name in ("weights", "mom1", "mom2", "averages"):
        whole, parts = (
            load_file(tmp_path / output / "checkpoint" / f"{name}.safetensors")
            for output in ("whole", "parts")
        )
        assert whole.keys() == parts.keys()
        for key, array in whole.items():
            assert numpy.array_equal(array, parts[key]), f"{name} {key}, killed at {steps}"
    for name in ("model-last", "model-best"):
        models = [
            spacy.load(tmp_path / output / name).get_pipe("ner").to_bytes()
            for output in ("whole", "parts")
        ]
        assert models[0] == models[1]


def test_resuming_says_where_and_goes_on_with_more_steps(run):
    assert run("-o", "out", "--resume")[0] == 0
    code, shown = run("-o", "out", "-r")
    assert code == 0
    assert "ℹ Resuming after step 12" in shown
    assert "ℹ Nothing left to do after step 12" in shown
    code, shown = run("-o", "out", "-r", "--training.max_steps", "15")
    assert code == 0
    assert "ℹ Resuming after step 12" in shown
    assert " 15 " in shown
    assert "✔ Saved pipeline to output directory" in shown


def test_resuming_without_a_checkpoint_starts_from_the_beginning(run, tmp_path):
    code, shown = run("--output", "out", "--resume")
    assert code == 0, shown
    assert "ℹ No checkpoint in out: starting from the beginning" in shown
    spacy.load(tmp_path / "out" / "model-best")


def test_resuming_needs_an_output(run):
    code, shown = run("--resume")
    assert code == 1
    assert shown == "✘ --resume needs --output, the folder with the checkpoint"


def test_an_interrupted_training_is_not_overwritten_by_chance(run, tmp_path):
    run("--output", "out")
    interrupt(tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    code, shown = run("--output", "out")
    assert code == 1
    assert shown == (
        "✘ out has a training that was interrupted after step 12: go on with --resume, or "
        f"remove {Path('out', 'checkpoint')} to start anew"
    )
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_resuming_what_had_all_but_ended_lets_another_training_follow(run, tmp_path):
    run("--output", "out")
    interrupt(tmp_path / "out")
    code, shown = run("--output", "out", "--resume")
    assert code == 0
    assert "Nothing left to do" in shown
    code, shown = run("--output", "out")
    assert code == 0, shown


def test_a_finished_training_is_overwritten_as_spacy_does(run):
    run("--output", "out")
    code, shown = run("--output", "out")
    assert code == 0
    assert "Resuming" not in shown


def test_other_data_are_refused(run, data, tmp_path):
    run("--output", "out")
    nlp = spacy.blank("zh")
    docs = list(DocBin().from_disk(data).get_docs(nlp.vocab))[1:]
    DocBin(docs=docs).to_disk(tmp_path / "other.spacy")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    command = ["--corpora.train.path", "other.spacy"]
    code, shown = run("--output", "out", "--resume", *command)
    assert code == 1
    error = shown.split("✘ ")[1]
    assert "is of another training: the content of corpora.train.path has changed:" in error
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == before


def test_other_versions_are_warned_of(run, tmp_path):
    run("--output", "out")
    state = tmp_path / "out" / "checkpoint" / "state.json"
    text = state.read_text("utf8").replace(f'"{spacy.__version__}"', '"3.8.1"')
    state.write_text(text, "utf8")
    code, shown = run("--output", "out", "--resume")
    assert code == 0
    assert f"⚠ Another version: spacy was 3.8.1 and is {spacy.__version__}." in shown


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--paths.train", "nowhere.spacy", "--x"), "✘ No such option"),
        (("--gpu-id", "0"), "Cannot use GPU"),
        (("--training.patience", "many"), "a valid integer"),
        (("--paths.train", "nowhere.spacy"), "No such file or directory: 'nowhere.spacy'"),
        (
            ("--components.ner.model.decoder", "magic"),
            "decoder is 'magic', expected one of",
        ),
        (("--components.ner.factory", "magic"), "[E002] Can't find factory for 'magic'"),
    ],
)
def test_wrong_input_is_one_clear_error(run, args, message):
    if "--gpu-id" in args and has_cupy_gpu:
        pytest.skip("it has one")
    code, shown = run("--output", "out", *args)
    assert code == 1
    assert message in shown


def test_an_output_that_is_a_file_is_an_error(run, tmp_path):
    (tmp_path / "file").write_text("", "utf8")
    code, shown = run("--output", "file")
    assert code == 2
    assert "is a file" in shown


def test_verbose_shows_where_an_error_comes_from(overrides, tmp_path):
    command = ["train", str(CONFIG), "--components.ner.model.decoder", "magic", "--verbose"]
    result = CliRunner().invoke(group, [*command, *overrides])
    assert isinstance(result.exception, ValueError)


def test_without_an_output_nothing_is_written(run, tmp_path):
    code, shown = run()
    assert code == 0
    assert "ℹ No output directory provided" in shown
    assert not os.listdir(tmp_path)


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in ("--output", "--resume", "--code", "--verbose", "--gpu-id"):
        assert option in shown
