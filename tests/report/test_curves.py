import json

import pytest

from spacy_bilstm_crf.report.curves import POINTS, read_curves
from spacy_bilstm_crf.training.step_log import EVALUATION, STEP, StepLog


@pytest.fixture
def write(tmp_path):
    """Write a step log, given the kind of each row and what is special about it."""

    def write_log(*rows):
        path = tmp_path / "steps.jsonl"
        log = StepLog(path)
        for kind, row in rows:
            place = {"step": 0, "epoch": 0, "seconds": 1.0}
            if kind == STEP:
                place.update(docs=2, learn_rate=0.5, losses={"ner": 3.0})
            else:
                place.update(score=0.5, scores={}, losses={})
            log.write(kind, {**place, **row})
        log.close()
        return path

    return write_log


def step(number, **row):
    return STEP, {"step": number, **row}


def evaluation(number, **row):
    return EVALUATION, {"step": number, **row}


def test_losses_are_means_per_doc(write):
    rows = [
        step(0, docs=4, losses={"ner": 8.0, "tagger": 2.0}),
        step(1, docs=2, losses={"ner": 1.0}),
    ]
    assert read_curves(write(*rows)).losses == [
        {"step": 0, "component": "ner", "loss": 2.0},
        {"step": 0, "component": "tagger", "loss": 0.5},
        {"step": 1, "component": "ner", "loss": 0.5},
    ]


def test_a_long_training_has_few_points(write):
    count = 3 * POINTS + 1
    rows = [
        step(i, docs=1 + i % 2, losses={"ner": 1.0 + i % 2}, learn_rate=i / 1000)
        for i in range(count)
    ]
    curves = read_curves(write(*rows))
    assert curves.steps == count
    assert POINTS / 2 < len(curves.losses) == len(curves.rates) <= POINTS
    # Each is that of all steps since the one before.
    assert {point["loss"] for point in curves.losses} == {1.0}
    assert curves.losses[-1]["step"] == count - 1
    assert curves.rates[0] == {"step": 3, "learn_rate": 0.003}


def test_a_step_without_docs_is_drawn(write):
    [point] = read_curves(write(step(0, docs=0, losses={"ner": 0.0}))).losses
    assert point["loss"] == 0.0


def test_scores_have_their_names(write):
    scores = {"ents_f": 0.75, "ents_p": 1.0, "ents_per_type": {"PER": {"f": 1.0}}}
    others = {"speed": 0.9, "token_acc": 1.0, "token_f": 1.0, "tag_acc": None}
    row = evaluation(7, score=0.25, scores={**scores, **others})
    assert read_curves(write(step(7), row)).scores == [
        {"step": 7, "score": "ents_f", "value": 0.75},
        {"step": 7, "score": "ents_p", "value": 1.0},
        {"step": 7, "score": "score", "value": 0.25},
    ]


def test_how_long_it_took(write):
    curves = read_curves(write(step(0), step(1, seconds=5.5), evaluation(1, seconds=7.25)))
    assert (curves.steps, curves.seconds) == (2, 7.25)
    assert curves.duration == "0:00:07"


def test_what_is_no_number_is_not_drawn(write):
    nan, infinity = float("nan"), float("inf")
    rows = [
        step(0),
        step(1, losses={"ner": nan}, learn_rate=nan),
        step(2, losses={"ner": infinity}),
        evaluation(2, score=nan, scores={"ents_f": infinity}),
    ]
    curves = read_curves(write(*rows))
    assert [point["step"] for point in curves.losses] == [0]
    assert [point["step"] for point in curves.rates] == [0, 2]
    assert curves.scores == []


def test_the_last_line_may_lack_its_end(write):
    path = write(step(0), step(1), evaluation(1))
    path.write_bytes(path.read_bytes()[:-20])
    curves = read_curves(path)
    assert (curves.steps, curves.scores) == (2, [])


def test_a_training_that_has_just_begun_has_no_steps(write):
    curves = read_curves(write())
    assert (curves.steps, curves.seconds, curves.losses) == (0, 0.0, [])


@pytest.mark.parametrize(
    "content",
    [
        b"a text\n",
        b"a text",
        b"\xff\xfe\n",
        b"\n",
        b'{"step": 1}\n',
        b'{"type": "step", "step": 1}\n',
        b'{"type": "evaluation", "step": 1, "seconds": 1, "score": 1, "scores": []}\n',
    ],
)
def test_another_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other.jsonl is no step log: it is what"):
        read_curves(path)


def test_another_line_within_a_log_is_one_too(write):
    path = write(step(0))
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(ValueError, match=r"steps.jsonl is no step log"):
        read_curves(path)


def test_a_log_of_whole_numbers_is_one(write):
    """As other programs write them."""
    path = write()
    rows = [{"type": STEP, **row} for _, row in [step(0, seconds=1, docs=1, learn_rate=0)]]
    path.write_text(json.dumps({**rows[0], "losses": {"ner": 3}}) + "\n", encoding="utf8")
    assert read_curves(path).losses == [{"step": 0, "component": "ner", "loss": 3.0}]
