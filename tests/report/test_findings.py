import pytest

from spacy_bilstm_crf.evaluation.mistakes import Confusion, count_confusions
from spacy_bilstm_crf.evaluation.strict import score_strictly
from spacy_bilstm_crf.report.findings import EXAMPLES, FEW, Sort, judge_labels, list_sorts

PER, LOC, ORG = (0, 2, "PER"), (3, 5, "LOC"), (3, 5, "ORG")
TEXT = "张伟在北京大学工作"


@pytest.fixture
def outcomes(make_outcome):
    return [
        *(5 * [make_outcome(TEXT, [PER, LOC], [PER, ORG])]),
        None,
        make_outcome(TEXT, [LOC], [(3, 7, "ORG")]),
        make_outcome(TEXT, [PER], [(0, 1, "PER")]),
        make_outcome(TEXT, [PER], [PER, ORG]),
    ]


@pytest.fixture
def sorts(outcomes):
    return list_sorts(count_confusions(outcomes))


@pytest.mark.parametrize(
    ("labels", "description"),
    [
        (("LOC", "ORG"), "LOC taken for ORG"),
        (("LOC", "LOC"), "LOC with wrong boundaries"),
        (("LOC", None), "LOC is missed"),
        ((None, "ORG"), "ORG where there is no entity"),
    ],
)
def test_a_sort_is_described(labels, description):
    assert Sort("sort-0", Confusion(*labels), {}, []).description == description


def test_sorts_count_their_mistakes_and_show_a_few(outcomes, sorts):
    assert [sort.name for sort in sorts] == ["sort-0", "sort-1", "sort-2"]
    assert [sort.labels for sort in sorts] == [
        ("LOC", "ORG"),
        ("PER", "PER"),
        (None, "ORG"),
    ]
    assert [sort.count for sort in sorts] == [6, 1, 1]
    assert sorts[0].kinds == {"label": 5, "both": 1}
    assert [number for number, _ in sorts[0].examples] == [*range(EXAMPLES)]
    assert sorts[0].examples == count_confusions(outcomes)["LOC", "ORG"][:EXAMPLES]
    assert [number for number, _ in sorts[1].examples] == [7]


def judge(outcomes, sorts):
    known = [outcome for outcome in outcomes if outcome is not None]
    return judge_labels(score_strictly(known, samples=5, seed=0), sorts)


def test_the_worst_label_comes_first_and_of_two_that_with_more_mistakes(outcomes, sorts):
    found = judge(outcomes, sorts)
    # LOC has 6 mistakes and ORG 7, and of neither one is right.
    assert [some.label for some in found] == ["ORG", "LOC", "PER"]
    assert [some.mistakes for some in found] == [7, 6, 1]
    assert [some.counts.f1 > 0 for some in found] == [False, False, True]


def test_a_label_has_the_mistakes_in_which_it_is_true_or_found(outcomes, sorts):
    found = {some.label: some.sorts for some in judge(outcomes, sorts)}
    assert found == {"ORG": [sorts[0], sorts[2]], "LOC": [sorts[0]], "PER": [sorts[1]]}


@pytest.mark.parametrize(("count", "is_rare"), [(FEW - 1, True), (FEW, False)])
def test_few_entities_say_little(make_outcome, count, is_rare):
    [found] = judge(count * [make_outcome(TEXT, [PER], [PER])], [])
    assert found.is_rare is is_rare
    assert (found.mistakes, found.interval) == (0, (1.0, 1.0))


def test_a_single_document_has_no_interval(make_outcome):
    [found] = judge([make_outcome(TEXT, [PER], [PER])], [])
    assert found.interval is None
