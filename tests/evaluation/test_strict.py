import time

import pytest

from spacy_bilstm_crf.evaluation.metrics import Counts
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.evaluation.strict import score_strictly


def make_outcome(gold, guessed):
    ents = ([Entity(s, e, label, s, e) for s, e, label in some] for some in (gold, guessed))
    return Outcome("张伟在北京大学工作", 9, (), *ents)


@pytest.fixture
def outcomes():
    return [
        make_outcome([(0, 2, "PER"), (3, 7, "ORG")], [(0, 2, "PER"), (3, 6, "ORG")]),
        make_outcome([(0, 2, "PER")], [(0, 2, "PER"), (3, 7, "LOC")]),
        make_outcome([(0, 2, "PER")], [(0, 2, "ORG")]),
    ]


def test_micro_and_macro_average(outcomes):
    strict = score_strictly(outcomes, samples=10, seed=0)
    assert strict.per_label == {
        "LOC": Counts(0, 1, 0),
        "ORG": Counts(0, 2, 1),
        "PER": Counts(2, 2, 3),
    }
    assert strict.micro == Counts(2, 5, 4)
    assert strict.macro.precision == pytest.approx(1 / 3)
    assert strict.macro.recall == pytest.approx(2 / 9)
    assert strict.macro.f1 == pytest.approx(0.8 / 3)


def test_intervals_are_about_the_scores(outcomes):
    strict = score_strictly(20 * outcomes, samples=500, seed=0)
    for found, intervals in (
        (strict.micro, strict.micro_intervals),
        (strict.macro, strict.macro_intervals),
        (strict.per_label["PER"], strict.per_label_intervals["PER"]),
    ):
        assert intervals.recall.low < found.recall < intervals.recall.high
        assert intervals.f1.low < found.f1 < intervals.f1.high
    assert strict.per_label_intervals["LOC"].recall is None
    assert strict.per_label_intervals["LOC"].precision == (0.0, 0.0)


def test_more_docs_make_intervals_narrower(outcomes):
    few, many = (
        score_strictly(n * outcomes, samples=300, seed=0).micro_intervals.f1
        for n in (5, 80)
    )
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_a_single_doc_has_no_intervals(outcomes):
    strict = score_strictly(outcomes[:1], samples=10, seed=0)
    assert strict.micro == Counts(1, 2, 2)
    assert strict.micro_intervals.f1 is None


def test_no_entities_at_all_score_0():
    strict = score_strictly(2 * [make_outcome([], [])], samples=10, seed=0)
    assert strict.micro == Counts(0, 0, 0)
    assert (strict.macro.f1, strict.per_label) == (0.0, {})
    assert strict.micro_intervals.f1 is None


def test_a_thousand_samples_take_less_than_a_second(outcomes):
    start = time.perf_counter()
    score_strictly(200 * outcomes, samples=1000, seed=0)
    assert time.perf_counter() - start < 1.0
