import pytest

from spacy_bilstm_crf.evaluation.mistakes import find_mistakes
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.evaluation.suspects import LEAST, SURE, doubt_gold, find_suspects

TEXT = "张伟在北京大学工作"
PER, ORG = Entity(0, 2, "PER", 0, 2), Entity(3, 7, "ORG", 3, 7)
LOC = Entity(3, 5, "LOC", 3, 5)


def make_outcome(gold, guessed, confidence=None, likely=None, misaligned=()):
    return Outcome(
        TEXT,
        len(TEXT),
        (),
        gold,
        guessed,
        misaligned=[*misaligned],
        confidence=confidence or {},
        likely=likely,
    )


def test_what_the_pipeline_is_sure_of_is_a_suspect():
    outcome = make_outcome([PER, ORG], [PER, LOC], {PER: 0.99, LOC: 0.95}, {})
    [suspect] = find_suspects([outcome])
    assert (suspect.number, suspect.confidence) == (0, 0.95)
    assert (suspect.mistake.gold, suspect.mistake.guess) == (ORG, LOC)
    assert (suspect.gold_seen, suspect.guess_seen) == (None, None)


@pytest.mark.parametrize(("confidence", "count"), [(SURE, 1), (SURE - 0.01, 0)])
def test_what_it_is_less_sure_of_is_none(confidence, count):
    outcome = make_outcome([ORG], [LOC], {LOC: confidence}, {})
    assert len(find_suspects([outcome])) == count
    assert len(find_suspects([outcome], least=0.5)) == 1


@pytest.mark.parametrize(
    ("likely", "confidence"),
    # Nobody knows more of what is not listed than that it is hardly probable.
    [({}, 1 - LEAST), ({PER: 0.9}, 1 - LEAST), ({ORG: 0.03}, 0.97), ({ORG: 0.4}, 0.6)],
)
def test_a_missed_entity_is_as_doubtful_as_it_is_improbable(likely, confidence):
    outcome = make_outcome([ORG], [], likely=likely)
    [mistake] = find_mistakes(outcome)
    assert doubt_gold(outcome, mistake) == pytest.approx(confidence)
    assert len(find_suspects([outcome])) == (confidence >= SURE)


def test_a_pipeline_that_was_not_asked_or_does_not_know_suspects_nothing():
    assert find_suspects([make_outcome([ORG], []), make_outcome([ORG], [LOC])]) == []


def test_entities_of_other_components_are_no_evidence():
    outcome = make_outcome([ORG], [LOC], {PER: 0.99}, {})
    assert find_suspects([outcome]) == []


@pytest.mark.parametrize("guessed", [[], [LOC]])
def test_an_entity_that_the_tokens_have_no_room_for_is_no_suspect(guessed):
    outcome = make_outcome([ORG], guessed, {LOC: 0.99}, {}, [ORG])
    assert find_suspects([outcome]) == []


def test_an_entity_where_the_gold_has_none_is_one_whatever_is_misaligned():
    outcome = make_outcome([ORG], [PER], {PER: 0.99}, {}, [ORG])
    assert [suspect.mistake.kind for suspect in find_suspects([outcome])] == ["spurious"]


def test_the_surest_come_first_and_have_the_numbers_of_their_documents():
    outcomes = [
        make_outcome([ORG], [LOC], {LOC: 0.91}, {}),
        None,
        make_outcome([ORG], [LOC], {LOC: 0.97}, {}),
        make_outcome([PER], [PER], {PER: 0.99}, {}),
    ]
    found = find_suspects(outcomes)
    assert [(suspect.number, suspect.confidence) for suspect in found] == [
        (2, 0.97),
        (0, 0.91),
    ]


def test_the_training_data_may_know_both():
    outcome = make_outcome([ORG], [LOC], {LOC: 0.95}, {})
    # The same text with another label is another entity.
    [suspect] = find_suspects([outcome], {("LOC", "北京"), ("LOC", "北京大学")})
    assert (suspect.gold_seen, suspect.guess_seen) == (False, True)
    missed = make_outcome([ORG], [], likely={})
    [suspect] = find_suspects([missed], {("ORG", "北京大学")})
    assert (suspect.gold_seen, suspect.guess_seen) == (True, None)
