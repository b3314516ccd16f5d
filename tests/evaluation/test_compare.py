import pytest

from spacy_bilstm_crf.evaluation.compare import Agreement, Disagreement, compare_outcomes
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome

PER, ORG, LOC = (
    Entity(0, 2, "PER", 0, 2),
    Entity(3, 7, "ORG", 3, 7),
    Entity(3, 5, "LOC", 3, 5),
)
TEXT = "张伟在北京大学工作"


def make_outcomes(*guesses, gold=(PER, ORG)):
    return [Outcome(TEXT, 9, (), list(gold), list(some)) for some in guesses]


@pytest.fixture
def both():
    """Both right, only A, only B, none, and A wrong in another way than B."""
    a = make_outcomes([PER, ORG], [PER, ORG], [PER, LOC], [], [PER])
    b = make_outcomes([PER, ORG], [PER, LOC], [PER, ORG], [], [ORG])
    return a, b


def test_scores_stand_side_by_side(both):
    found = compare_outcomes(*both, samples=50)
    assert list(found.differences) == ["precision", "recall", "f1", "macro_f1"]
    f1 = found.differences["f1"]
    assert (f1.a, f1.b) == (pytest.approx(12 / 17), pytest.approx(12 / 17))
    assert list(found.per_label) == ["LOC", "ORG", "PER"]
    per = found.per_label["PER"]
    assert (per.a, per.b) == (pytest.approx(8 / 9), pytest.approx(6 / 8))
    assert per.difference == pytest.approx(8 / 9 - 6 / 8)


def test_entities_and_documents_that_one_gets_right(both):
    found = compare_outcomes(*both, samples=50)
    assert found.entities == Agreement(both=4, only_a=2, only_b=2, neither=2)
    assert found.documents == Agreement(both=1, only_a=1, only_b=1, neither=2)
    assert found.disagreements == [
        Disagreement(1, "a", TEXT, [PER, ORG], [ORG], [LOC]),
        Disagreement(2, "b", TEXT, [PER, ORG], [ORG], [LOC]),
    ]


def test_one_too_many_is_not_right():
    found = compare_outcomes(
        make_outcomes([PER, ORG], gold=[PER, ORG]),
        make_outcomes([PER, ORG, ORG], gold=[PER, ORG]),
    )
    assert found.documents == Agreement(both=0, only_a=1, only_b=0, neither=0)


def test_the_same_predictions_do_not_differ(both):
    found = compare_outcomes(both[0], both[0], samples=100)
    for difference in (*found.differences.values(), *found.per_label.values()):
        assert difference.difference == 0.0
        assert difference.interval == (0.0, 0.0)
        assert difference.p_value == 1.0
    assert found.disagreements == []


def test_a_difference_in_every_document_is_as_significant_as_can_be():
    a, b = make_outcomes(*[[PER, ORG]] * 20), make_outcomes(*[[PER]] * 20)
    recall = compare_outcomes(a, b, samples=100).differences["recall"]
    assert recall.interval == (0.5, 0.5)
    assert recall.p_value == pytest.approx(1 / 101)


def test_a_difference_that_chance_may_make_is_not_significant():
    a = make_outcomes(*[[PER, ORG]] * 11, *[[PER]] * 9)
    b = make_outcomes(*[[PER]] * 9, *[[PER, ORG]] * 11)
    recall = compare_outcomes(a, b[1:] + b[:1], samples=500).differences["recall"]
    assert recall.p_value > 0.3


def test_the_first_is_better_if_the_difference_is_positive():
    a, b = make_outcomes(*[[PER, ORG]] * 10), make_outcomes(*[[PER]] * 9, [PER, ORG])
    found = compare_outcomes(a, b, samples=100)
    assert found.differences["f1"].difference > 0
    assert found.differences["f1"].interval.low > 0
    other = compare_outcomes(b, a, samples=100).differences["f1"]
    assert other.difference == -found.differences["f1"].difference


def test_documents_without_annotation_are_left_out_and_counted(both):
    a, b = ([None, *some] for some in both)
    found = compare_outcomes(a, b, samples=10)
    assert [some.number for some in found.disagreements] == [2, 3]


def test_a_single_document_has_no_p_value():
    found = compare_outcomes(make_outcomes([PER]), make_outcomes([ORG]))
    assert found.differences["f1"].interval is None
    assert found.differences["f1"].p_value is None


def test_other_data_are_an_error(both):
    other = make_outcomes(*[[PER]] * 5, gold=[PER])
    with pytest.raises(ValueError, match="document 0 is not the same for both"):
        compare_outcomes(both[0], other)
