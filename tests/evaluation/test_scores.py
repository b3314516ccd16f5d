import pytest

from spacy_bilstm_crf.corpus.schemes import get_scheme
from spacy_bilstm_crf.evaluation.metrics import Counts
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.evaluation.scores import score_outcomes

BMES = get_scheme("bmes")
PER, ORG = Entity(0, 2, "PER", 0, 2), Entity(3, 7, "ORG", 3, 7)


@pytest.fixture
def outcomes():
    text = "张伟在北京大学工作"
    return [
        Outcome(text, 9, (), [PER, ORG], [PER], misaligned=[PER]),
        None,
        Outcome(text, 9, (7, 8), [PER], [PER], ignored=2),
    ]


def test_what_is_scored_and_what_is_left_out(outcomes):
    scores = score_outcomes(outcomes, BMES, samples=5)
    assert (scores.documents, scores.unannotated) == (2, 1)
    assert (scores.tokens, scores.missing_tokens) == (18, 2)
    assert (scores.ignored, scores.misaligned) == (2, 1)
    assert scores.strict.micro == Counts(2, 2, 3)


def test_all_parts_see_the_same_entities(outcomes):
    scores = score_outcomes(outcomes, BMES, samples=5, forms={("PER", "张伟")})
    assert scores.matches["strict"].correct == 2
    assert scores.matches["strict"].missed == 1
    assert scores.by_entity_length == {"2": Counts(2, 2, 2), "4-5": Counts(0, 0, 1)}
    assert scores.by_document_length == {"1-10": Counts(2, 2, 3)}
    assert scores.by_seen == {"seen": Counts(2, 2, 2), "unseen": Counts(0, 0, 1)}
    assert scores.tags.with_outside.per_tag["B-PER"] == Counts(2, 2, 2)


def test_without_training_data_nothing_is_seen(outcomes):
    assert score_outcomes(outcomes, BMES, samples=5).by_seen is None


@pytest.mark.parametrize(
    ("outcomes", "message"), [([], "no Docs"), ([None], "no gold annotation")]
)
def test_nothing_to_evaluate_is_an_error(outcomes, message):
    with pytest.raises(ValueError, match=f"nothing to evaluate: .* {message}"):
        score_outcomes(outcomes, BMES)
