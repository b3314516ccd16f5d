import json
import shutil

import pytest

from spacy_bilstm_crf.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    find_checkpoint,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished training, which all tests copy."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def output(trained, run, tmp_path):
    if not (trained / "out").exists():
        run(trained / "out", {"training.max_steps": 2})
    shutil.copytree(trained / "out", tmp_path / "out")
    return tmp_path / "out"


def edit(output, **changes):
    path = output / "checkpoint" / "state.json"
    state = json.loads(path.read_text("utf8"))
    for name, value in changes.items():
        (state if name in state else state["progress"])[name] = value
    path.write_text(json.dumps(state), "utf8")


def test_there_may_be_no_checkpoint(tmp_path):
    for resume in (True, False):
        assert find_checkpoint(tmp_path / "nowhere", resume) is None


def test_a_checkpoint_knows_how_far_the_training_has_come(output):
    progress = find_checkpoint(output, resume=True).progress
    assert progress.step == 2
    assert len(progress.scores) == 1
    assert progress.words > 300
    assert progress.losses["ner"] > 0.0
    assert len(progress.epoch_starts) == 1
    assert "ents_f" in progress.performance
    assert progress.finished


def test_a_finished_training_may_be_overwritten(output):
    assert find_checkpoint(output, resume=False) is None
    assert (output / "checkpoint").exists()


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-50]),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text("[]", "utf8"),
        lambda path: path.write_text('{"format": 1}', "utf8"),
        lambda path: path.write_text('{"format": 1, "progress": {}}', "utf8"),
    ],
)
def test_a_broken_checkpoint_is_one_clear_error(output, damage, resume):
    damage(output / "checkpoint" / "state.json")
    with pytest.raises(
        CheckpointError, match=r"cannot be read .*: remove it to start anew"
    ):
        find_checkpoint(output, resume)


def test_a_checkpoint_of_another_format_is_refused(output):
    edit(output, format=2)
    with pytest.raises(CheckpointError, match="it has format 2, and this version 1"):
        find_checkpoint(output, resume=True)


def test_no_more_than_a_few_differences_are_shown(output):
    checkpoint = find_checkpoint(output, resume=True)
    with pytest.raises(CheckpointError, match=r" nlp\.lang was .*, and 1\d\d more: resume"):
        checkpoint.require_same_training({**checkpoint.fingerprint, **dict(changes())})
    checkpoint.require_same_training(checkpoint.fingerprint)


def changes():
    yield "nlp.lang", '"en"'
    yield from ((f"training.x{number}", "1") for number in range(150))


def test_other_versions_of_packages_are_named(output):
    checkpoint = find_checkpoint(output, resume=True)
    assert checkpoint.list_other_versions() == []
    now = checkpoint.versions["torch"]
    checkpoint.versions["torch"] = "2.4.0"
    assert checkpoint.list_other_versions() == [f"torch was 2.4.0 and is {now}"]


def test_broken_arrays_stop_before_anything_is_written(output, run):
    path = output / "checkpoint" / "mom1.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    before = {p: p.stat().st_mtime_ns for p in output.rglob("*")}
    checkpoint = find_checkpoint(output, resume=True)
    with pytest.raises(CheckpointError, match=r"mom1.*cannot be read.*remove .*checkpoint"):
        run(output, {"training.max_steps": 4}, checkpoint=checkpoint)
    assert {p: p.stat().st_mtime_ns for p in output.rglob("*")} == before


def test_weights_of_another_model_stop_before_anything_is_written(output, run, monkeypatch):
    # Data that are read from elsewhere than a path may have changed unnoticed.
    monkeypatch.setattr(Checkpoint, "require_same_training", lambda *args: None)
    before = {p: p.stat().st_mtime_ns for p in output.rglob("*")}
    checkpoint = find_checkpoint(output, resume=True)
    settings = {"training.max_steps": 4, "components.ner.model.tok2vec.width": 6}
    with pytest.raises(CheckpointError, match=r"has other weights: ner/.*has the shape"):
        run(output, settings, checkpoint=checkpoint)
    assert {p: p.stat().st_mtime_ns for p in output.rglob("*")} == before


def test_what_a_killed_process_left_is_cleaned_up(output):
    shutil.copytree(output / "checkpoint", output / ".checkpoint.new")
    find_checkpoint(output, resume=True)
    assert not (output / ".checkpoint.new").exists()


@pytest.mark.parametrize("max_steps", [2, 1])
def test_a_training_that_turns_out_to_be_finished_is_known_to_be(output, run, max_steps):
    """Killed between its last evaluation and its end, or resumed with fewer steps."""
    checkpoint = output / "checkpoint"
    before = {p.name: p.read_bytes() for p in checkpoint.iterdir()}
    edit(output, finished=False)
    found = find_checkpoint(output, resume=True)
    run(output, {"training.max_steps": max_steps}, checkpoint=found)
    assert find_checkpoint(output, resume=True).progress.finished
    assert {p.name: p.read_bytes() for p in checkpoint.iterdir()} == before


def test_performance_of_the_last_evaluation_is_kept(output, run):
    """Steps after the last evaluation do not lose its scores."""
    checkpoint = find_checkpoint(output, resume=True)
    nlp, _ = run(output, {"training.max_steps": 3}, checkpoint=checkpoint)
    assert nlp.meta["performance"] == checkpoint.progress.performance
