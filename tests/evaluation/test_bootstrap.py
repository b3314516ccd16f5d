import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.evaluation import bootstrap
from spacy_bilstm_crf.evaluation.bootstrap import (
    count_by_doc,
    get_interval,
    get_macro,
    get_p_value,
    get_shares,
    resample,
)
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome

COUNTS = numpy.array([[3.0, 4, 5], [0, 2, 0], [1, 1, 1], [0, 0, 2]])[:, None]


def make_outcome(gold, guessed):
    ents = (
        [Entity(s, s + 1, label, s, s + 1) for s, label in some] for some in (gold, guessed)
    )
    return Outcome("一二三四五", 5, (), *ents)


def test_entities_are_counted_by_doc_and_label():
    outcomes = [
        make_outcome([(0, "PER"), (1, "ORG")], [(0, "PER"), (1, "PER"), (2, "PER")]),
        make_outcome([], [(0, "ORG")]),
    ]
    assert count_by_doc(outcomes, ["ORG", "PER"]).tolist() == [
        [[0, 0, 1], [1, 3, 1]],
        [[0, 1, 0], [0, 0, 0]],
    ]


def test_samples_have_as_many_docs_as_there_are():
    drawn = resample(numpy.ones((7, 2, 3)), 20, seed=0)
    assert drawn.shape == (20, 2, 3)
    assert (drawn == 7).all()


def test_samples_differ_and_come_again_with_the_seed():
    drawn = resample(COUNTS, 50, seed=1)
    assert len({tuple(sample.ravel()) for sample in drawn}) > 20
    assert (drawn == resample(COUNTS, 50, seed=1)).all()
    assert (drawn != resample(COUNTS, 50, seed=2)).any()


def test_docs_are_drawn_equally_often():
    drawn = resample(numpy.eye(4)[:, None], 5000, seed=0)
    numpy.testing.assert_allclose(drawn.mean(axis=(0, 1)), 1.0, atol=0.05)
    # Variance of a binomial distribution: 4 draws of 1 in 4.
    numpy.testing.assert_allclose(drawn.var(axis=(0, 1)), 0.75, atol=0.05)


def test_many_docs_are_drawn_in_parts(monkeypatch):
    monkeypatch.setattr(bootstrap, "MAX_DRAWS", 12)
    drawn = resample(COUNTS, 50, seed=0)
    assert len({tuple(sample.ravel()) for sample in drawn}) > 20


def test_shares_of_nothing_are_unknown():
    shares = get_shares(numpy.array([[2.0, 4, 8], [0, 0, 3], [0, 0, 0]]))
    numpy.testing.assert_allclose(shares.precision, [0.5, numpy.nan, numpy.nan])
    numpy.testing.assert_allclose(shares.recall, [0.25, 0, numpy.nan])
    numpy.testing.assert_allclose(shares.f1, [4 / 12, 0, numpy.nan])


def test_labels_that_are_nowhere_are_not_averaged():
    macro = get_macro(numpy.array([[1.0, 1, 1], [0, 0, 4], [0, 0, 0]]))
    assert [float(share) for share in macro] == [0.5, 0.5, 0.5]


def test_an_interval_is_that_of_a_long_loop():
    rng = numpy.random.default_rng(5)
    values = []
    for _ in range(4000):
        correct, guessed, gold = COUNTS[rng.integers(4, size=4), 0].sum(0)
        if guessed + gold:
            values.append(2 * correct / (guessed + gold))
    found = get_interval(get_shares(resample(COUNTS, 4000, seed=0)[:, 0]).f1)
    numpy.testing.assert_allclose(found, numpy.percentile(values, [2.5, 97.5]), atol=0.03)


def test_an_interval_holds_the_truth_19_times_in_20():
    rng = numpy.random.default_rng(0)
    held = 0
    for seed in range(200):
        counts = numpy.ones((60, 1, 3))
        counts[:, 0, 0] = rng.random(60) < 0.7
        interval = get_interval(get_shares(resample(counts, 300, seed)[:, 0]).recall)
        held += interval.low <= 0.7 <= interval.high
    assert 0.9 <= held / 200 <= 0.99


def test_an_interval_leaves_out_one_in_forty_at_each_end():
    assert get_interval(numpy.arange(1001.0)[::-1]) == (25.0, 975.0)


def test_samples_that_lack_a_score_do_not_count():
    samples = numpy.array([0.5, numpy.nan, 0.5])
    assert get_interval(samples) == (0.5, 0.5)
    assert get_interval(samples[1:2]) is None
    assert get_p_value(0.1, samples[1:2]) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_the_test_is_that_of_berg_kirkpatrick(sign):
    samples = sign * numpy.array([0.1, 0.2, 0.3, 0.39, 0.4, 0.41, 0.0, -0.1])
    # As far from 0.2 as that is from 0: 0.4, 0.41, 0.0 and -0.1.
    assert get_p_value(sign * 0.2, samples) == pytest.approx(5 / 9)


def test_rounding_errors_are_no_evidence():
    assert 0.7 - 0.5 < 0.2
    assert get_p_value(0.1, numpy.array([0.7 - 0.5])) == 1.0


def test_no_difference_is_no_evidence():
    assert get_p_value(0.0, numpy.array([0.0, 0.1, -0.1])) == 1.0


@given(st.floats(-1, 1), st.lists(st.floats(-1, 1), min_size=1))
def test_a_p_value_is_never_0(difference, samples):
    assert 1 / (len(samples) + 1) <= get_p_value(difference, numpy.array(samples)) <= 1
