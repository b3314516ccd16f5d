import pytest

from spacy_bilstm_crf.corpus.schemes import get_scheme
from spacy_bilstm_crf.evaluation.doubts import MIN_DOCUMENTS, list_doubts, list_left_out
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.evaluation.scores import score_outcomes

PER = Entity(0, 2, "PER", 0, 2)
GOOD = Outcome("张伟在", 3, (), [PER], [PER])


def score(*outcomes, good=MIN_DOCUMENTS):
    return score_outcomes([*outcomes, *good * [GOOD]], get_scheme("bmes"), samples=2)


def test_there_may_be_nothing_to_say():
    scores = score()
    assert list_left_out(scores) == list_doubts(scores) == []


def test_what_was_left_out():
    facts = list_left_out(score(None, None, GOOD._replace(missing=(2,), ignored=3)))
    assert facts == [
        "Documents without gold annotation: 2: left out",
        "Entities found on tokens without gold annotation: 3: left out, neither right nor "
        "wrong",
    ]


@pytest.mark.parametrize(
    ("outcome", "good", "doubt"),
    [
        (GOOD._replace(misaligned=[PER]), 30, "1 of 31 entities begin or end within"),
        (GOOD._replace(guessed=[]), 29, None),
        (GOOD, 28, "Few documents (29): with fewer than 30 the confidence"),
    ],
)
def test_what_is_wrong_with_data(outcome, good, doubt):
    doubts = list_doubts(score(outcome, good=good))
    assert [text[: len(doubt or "")] for text in doubts] == ([doubt] if doubt else [])


@pytest.mark.parametrize(
    ("outcome", "doubts"),
    [
        (GOOD._replace(gold=[]), ["The data have no entities: there is nothing to find"]),
        (GOOD._replace(guessed=[]), ["The pipeline finds no entities"]),
    ],
)
def test_nothing_to_find_and_nothing_found(outcome, doubts):
    assert list_doubts(score(*30 * [outcome], good=0)) == doubts
