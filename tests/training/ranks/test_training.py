"""Whole trainings of several ranks."""

import io
import json

import numpy
import pytest
import srsly
from safetensors.numpy import load_file

from spacy_bilstm_crf.training import folders
from spacy_bilstm_crf.training.checkpoint import find_checkpoint
from spacy_bilstm_crf.training.loop import train
from spacy_bilstm_crf.training.weights import list_weights

NO_DROPOUT = {
    "components.ner.model.dropout": 0.0,
    "components.ner.model.tok2vec.dropout": [0.0, 0.0],
    "components.ner.model.tok2vec.singleton_dropout": 0.0,
}
ARRAYS = ("weights", "mom1", "mom2", "averages")


@pytest.fixture
def run(make, run_ranks, monkeypatch):
    """Train with some ranks. RETURNS (List): Of each rank its weights, its averages of them
    and what it has shown; or, if there was an error, what all were told."""
    monkeypatch.setattr(folders, "_sync", lambda path: None)

    def run_training(
        output, settings=None, *, count=2, resume=False, prepare=None, change=None
    ):
        nlp = make(settings, change)

        def work(ranks):
            if prepare is not None:
                prepare(nlp, ranks)
            checkpoint = find_checkpoint(output, resume=True) if resume else None
            shown = io.StringIO()
            try:
                train(nlp, output, checkpoint=checkpoint, ranks=ranks, stdout=shown)
                ranks.meet()
            except (Exception, KeyboardInterrupt) as error:
                return ranks.tell(error)
            return {n: w.read() for n, w in list_weights(nlp, ()).items()}, shown.getvalue()

        return run_ranks(work, count)

    return run_training


def batch_by(size):
    """Learn from so many sentences at a time."""

    def change(config):
        batcher = {"@batchers": "spacy.batch_by_sequence.v1", "size": size}
        config["training"]["batcher"] = batcher

    return change


def fail_in_update(number, error):
    """Let rank 1 fail in the so manieth update."""

    def prepare(nlp, ranks):
        update, count = nlp.update, 0

        def update_or_fail(*args, **kwargs):
            nonlocal count
            count += 1
            if (count, ranks.rank) == (number, 1):
                raise error
            return update(*args, **kwargs)

        nlp.update = update_or_fail

    return prepare


def read_arrays(output):
    return {
        f"{kind}/{name}": array
        for kind in ARRAYS
        for name, array in load_file(output / "checkpoint" / f"{kind}.safetensors").items()
    }


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        numpy.testing.assert_array_equal(array, other[name], err_msg=name)


def test_after_50_steps_all_ranks_have_the_same_weights(run, tmp_path):
    def prepare(nlp, ranks):
        # They have those of rank 0, whatever they have begun with.
        nlp.get_pipe("ner").model.shims[0].network.scorer.bias.data += ranks.rank

    settings = {
        "training.max_steps": 49,
        "training.eval_frequency": 24,
        "training.accumulate_gradient": 2,
    }
    (first, shown), (second, nothing) = run(tmp_path, settings, prepare=prepare)
    assert_same(first, second)
    saved = read_arrays(tmp_path)
    assert_same(first, {n: saved[f"weights/{n}"] for n in first})
    assert "sentences/s: " in shown
    assert "Saved pipeline" in shown
    assert nothing == ""


def test_two_ranks_learn_what_one_process_does_from_twice_the_batch(run, make, tmp_path):
    # Two batches of a step follow each other in the data.
    settings = {**NO_DROPOUT, "corpora.train.limit": 32}
    (weights, _), _ = run(tmp_path / "ranks", settings, change=batch_by(4))
    nlp = make(settings, batch_by(8))
    train(nlp, tmp_path / "one", stdout=io.StringIO(), stderr=io.StringIO())
    for name, weight in list_weights(nlp, ()).items():
        assert abs(weights[name] - weight.read()).max() < 1e-4, name
    found, expected = (
        find_checkpoint(tmp_path / name, resume=True).progress for name in ("ranks", "one")
    )
    assert (found.step, found.words) == (expected.step, expected.words)
    assert found.losses["ner"] == pytest.approx(expected.losses["ner"], rel=1e-3)


def test_resuming_gives_what_an_uninterrupted_training_does(run, tmp_path):
    log = tmp_path / "parts.jsonl"
    settings = {"training.logger.output_file": str(log)}
    whole, other = run(tmp_path / "whole")
    # In the second step after the evaluation of step 4.
    prepare = fail_in_update(7, ValueError("broken"))
    assert run(tmp_path / "parts", settings, prepare=prepare) == ["rank 1: broken"] * 2
    assert find_checkpoint(tmp_path / "parts", resume=True).progress.step == 4
    # What other generators a rank has is in the checkpoint, and not what it has now.
    parts = run(
        tmp_path / "parts",
        settings,
        resume=True,
        prepare=lambda nlp, ranks: numpy.random.seed(ranks.rank + 9),
    )
    for (found, _), (expected, _) in zip(parts, (whole, other), strict=True):
        assert_same(found, expected)
    assert_same(read_arrays(tmp_path / "parts"), read_arrays(tmp_path / "whole"))
    states = [
        srsly.read_json(tmp_path / name / "checkpoint" / "state.json")
        for name in ("whole", "parts")
    ]
    for state in states:
        state["progress"].pop("seconds")
    assert states[0] == states[1]
    rows = [json.loads(line) for line in log.read_text("utf8").splitlines()]
    evaluations = [row for row in rows if row["type"] == "evaluation"]
    assert [row["step"] for row in evaluations] == [0, 4, 8, 12]
    assert all(len(row["rank_docs_per_second"]) == 2 for row in evaluations)


def test_as_many_ranks_must_go_on(run, tmp_path):
    run(tmp_path, {"training.max_steps": 4})
    error = "is of another training: the number of ranks was 2 and is 3: resume it as it"
    for told in run(tmp_path, count=3, resume=True):
        assert error in told


def test_one_process_does_not_go_on_with_what_ranks_have_begun(run, make, tmp_path):
    run(tmp_path, {"training.max_steps": 4})
    checkpoint = find_checkpoint(tmp_path, resume=True)
    with pytest.raises(ValueError, match="ranks was 2 and is 1: resume"):
        train(make(), tmp_path, checkpoint=checkpoint, stdout=io.StringIO())


def test_a_share_that_is_shorter_does_not_hang(run, tmp_path):
    # 32 sentences in batches of 12: rank 1 has no second one.
    settings = {
        "corpora.train.limit": 32,
        "training.max_epochs": 1,
        "training.max_steps": 0,
        "training.eval_frequency": 1,
    }
    (first, _), (second, _) = run(tmp_path, settings, change=batch_by(12))
    assert_same(first, second)
    assert find_checkpoint(tmp_path, resume=True).progress.step == 1


def test_all_stop_when_rank_0_finds_nothing_better(run, tmp_path):
    settings = {
        "components.ner.model.mixed_precision": True,
        "training.optimizer.learn_rate.initial_rate": 0.0,
        "training.patience": 6,
        "training.max_steps": 0,
    }
    (first, _), (second, _) = run(tmp_path, settings)
    assert_same(first, second)
    assert find_checkpoint(tmp_path, resume=True).progress.step == 6


def test_a_loss_that_is_no_number_names_step_and_rank(run, tmp_path):
    def prepare(nlp, ranks):
        update, count = nlp.update, 0

        def lose(*args, losses, **kwargs):
            nonlocal count
            count += 1
            update(*args, losses=losses, **kwargs)
            if (count, ranks.rank) == (5, 1):
                losses["ner"] = numpy.nan

        nlp.update = lose

    told = run(tmp_path, prepare=prepare)
    assert told[0].startswith("rank 1: step 4: the loss of 'ner' is nan: lower")
    assert told[1] == told[0]
    # Rank 0 has learned from it, and saves nothing any more.
    last, best = (
        tmp_path / name / "ner" / "model" for name in ("model-last", "model-best")
    )
    assert last.read_bytes() == best.read_bytes()


def test_rank_0_saves_when_another_one_is_interrupted(run, tmp_path):
    told = run(tmp_path, prepare=fail_in_update(7, KeyboardInterrupt()))
    assert told == ["rank 1: KeyboardInterrupt"] * 2
    last, best = (
        tmp_path / name / "ner" / "model" for name in ("model-last", "model-best")
    )
    assert last.read_bytes() != best.read_bytes()
    assert find_checkpoint(tmp_path, resume=True).progress.step == 4


def test_an_error_of_rank_0_reaches_the_others(run, tmp_path):
    def prepare(nlp, ranks):
        def evaluate(*args):
            raise OSError("no space left")

        nlp.evaluate = evaluate

    assert run(tmp_path, prepare=prepare) == ["rank 0: no space left"] * 2


def test_another_config_or_other_data_are_an_error(run, tmp_path):
    def prepare(nlp, ranks):
        nlp.config["training"]["dropout"] = ranks.rank / 10

    told = run(tmp_path, prepare=prepare)
    expected = "rank 1: its training is not that of rank 0: training.dropout was 0.0 and is"
    assert told[0].startswith(expected)


def test_another_length_of_the_training_is_an_error(run, tmp_path):
    # Which is free to change when a training is resumed.
    def prepare(nlp, ranks):
        nlp.config["training"]["max_steps"] = 7 + ranks.rank

    told = run(tmp_path, prepare=prepare)
    assert "not that of rank 0: training.max_steps was 7 and is 8" in told[0]


def test_other_shapes_are_an_error(run, tmp_path):
    def prepare(nlp, ranks):
        embed = nlp.get_pipe("ner").model.layers[0]
        embed.set_param("E", embed.get_param("E")[ranks.rank :])

    told = run(tmp_path, prepare=prepare)
    assert told[0].startswith("rank 1: the weights ner/1/ngram_embed/E have the shape (")


def test_other_labels_are_an_error(run, tmp_path):
    def prepare(nlp, ranks):
        if ranks.rank == 1:
            nlp.get_pipe("ner").cfg["labels"].reverse()

    told = run(tmp_path, prepare=prepare)
    assert told[0].startswith(
        "rank 1: its training is not that of rank 0: labels of ner was"
    )
