import json

from spacy_bilstm_crf.evaluation.as_json import as_json
from spacy_bilstm_crf.evaluation.matches import MatchCounts
from spacy_bilstm_crf.evaluation.metrics import Counts, EntityScores
from spacy_bilstm_crf.evaluation.outcomes import Entity


def test_counts_have_their_shares():
    assert as_json(Counts(1, 2, 4)) == {
        "correct": 1,
        "guessed": 2,
        "gold": 4,
        "precision": 0.5,
        "recall": 0.25,
        "f1": 1 / 3,
    }
    assert as_json(MatchCounts(partial=1))["precision"] == 0.5


def test_tuples_with_names_keep_them_at_any_depth():
    scores = EntityScores(Counts(0, 0, 1), {"人名": Counts(0, 0, 1)})
    found = as_json({"scores": [scores], "none": None})
    assert found["scores"][0]["per_label"]["人名"]["gold"] == 1
    assert found["none"] is None
    assert as_json(Entity(0, 1, "PER", 0, 4))["start_char"] == 0
    assert json.loads(json.dumps(found)) == found
