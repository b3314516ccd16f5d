import numpy
import pytest

from spacy_bilstm_crf.evaluation.calibration import measure_reliability
from spacy_bilstm_crf.evaluation.judge import Judged
from spacy_bilstm_crf.evaluation.mistakes import count_confusions
from spacy_bilstm_crf.evaluation.strict import score_strictly
from spacy_bilstm_crf.model.transitions import Transitions
from spacy_bilstm_crf.report.charts import (
    MAX_TAGS,
    draw_confusion,
    draw_curves,
    draw_labels,
    draw_reliability,
    draw_transitions,
)
from spacy_bilstm_crf.report.curves import Curves
from spacy_bilstm_crf.report.findings import list_sorts

PER, LOC, ORG = (0, 2, "PER"), (3, 5, "LOC"), (3, 5, "ORG")
TEXT = "张伟在北京大学工作"


def list_rows(chart):
    """All rows of data of a chart and of those within it."""
    rows = chart.get("data", {}).get("values", [])
    parts = [
        part for name in ("layer", "hconcat", "vconcat") for part in chart.get(name, [])
    ]
    return [*rows, *(row for part in parts for row in list_rows(part))]


def score(outcomes):
    return score_strictly(outcomes, samples=5, seed=0)


@pytest.fixture
def outcomes(make_outcome):
    return [
        make_outcome(TEXT, [PER, LOC], [PER, ORG]),
        make_outcome(TEXT, [PER, LOC], [(0, 1, "PER"), LOC]),
        make_outcome(TEXT, [PER], [PER, LOC]),
        make_outcome(TEXT, [PER], []),
    ]


def test_labels_have_their_scores_the_worst_one_above(outcomes):
    strict = score(outcomes)
    chart = draw_labels(strict)
    rows = {row.pop("label"): row for row in list_rows(chart)}
    assert list(rows) == ["LOC", "ORG", "PER"]
    for label, row in rows.items():
        low, high = strict.per_label_intervals[label].f1
        counts = strict.per_label[label]
        assert row == {"F1": counts.f1, "low": low, "high": high, "gold": counts.gold}
    assert chart["layer"][0]["encoding"]["y"]["sort"] == ["ORG", "LOC", "PER"]


def test_without_an_interval_there_is_a_point(make_outcome):
    [row] = list_rows(draw_labels(score([make_outcome(TEXT, [PER], [PER])])))
    assert row == {"label": "PER", "F1": 1.0, "low": 1.0, "high": 1.0, "gold": 1}


def draw_confusions(outcomes):
    return draw_confusion(score(outcomes), list_sorts(count_confusions(outcomes)))


def test_confusions_are_counted_with_missed_and_spurious_ones(outcomes):
    cells = {
        (row["gold"], row["found"]): (row["count"], row["wrong"], row["text"])
        for row in list_rows(draw_confusions(outcomes))
    }
    assert cells == {
        # Right, and right but for the boundaries.
        ("PER", "PER"): (3, 1, "2 + 1"),
        ("LOC", "LOC"): (1, 0, "1"),
        ("LOC", "ORG"): (1, 1, "1"),
        ("PER", "(missed)"): (1, 1, "1"),
        ("(spurious)", "LOC"): (1, 1, "1"),
    }


def test_rows_of_the_confusions_are_the_entities_of_the_gold(outcomes):
    rows = list_rows(draw_confusions(outcomes))
    # And columns those that are found.
    for label, counts in score(outcomes).per_label.items():
        assert sum(row["count"] for row in rows if row["gold"] == label) == counts.gold
        assert sum(row["count"] for row in rows if row["found"] == label) == counts.guessed


def test_cells_know_the_sorts_of_their_mistakes(outcomes):
    sorts = {sort.labels: sort.name for sort in list_sorts(count_confusions(outcomes))}
    cells = {
        (row["gold"], row["found"]): row.get("sort")
        for row in list_rows(draw_confusions(outcomes))
    }
    assert cells == {
        ("PER", "PER"): sorts["PER", "PER"],
        ("LOC", "LOC"): None,
        ("LOC", "ORG"): sorts["LOC", "ORG"],
        ("PER", "(missed)"): sorts["PER", None],
        ("(spurious)", "LOC"): sorts[None, "LOC"],
    }


def get_domain(chart):
    return chart["layer"][0]["encoding"]["color"]["scale"]["domain"]


def test_colours_begin_where_nothing_is_wrong(make_outcome, outcomes):
    assert get_domain(draw_confusions(7 * outcomes)) == [0, 7]
    assert get_domain(draw_confusions([make_outcome(TEXT, [PER], [PER])])) == [0, 1]
    assert get_domain(draw_confusions([make_outcome(TEXT)])) == [0, 1]


def test_precision_stands_against_confidence():
    confidence = numpy.array([0.55, 0.95, 0.95, 0.95, 0.95])
    correct = numpy.array([False, True, True, True, False])
    reliability = measure_reliability(Judged(confidence, correct))
    above, sizes = draw_reliability(reliability)["hconcat"]
    rows = list_rows(sizes)
    assert [row for row in list_rows(above) if "low" in row] == rows
    # Bins without entities have no precision.
    assert [row["entities"] for row in rows] == [1, 4]
    assert [row["precision"] for row in rows] == [0.0, 0.75]
    assert [row["confidence"] for row in rows] == pytest.approx([0.55, 0.95])
    for row in rows:
        assert row["low"] <= row["confidence"] <= row["high"]


def test_legal_transitions_are_drawn():
    scores = numpy.array([[0.5, -numpy.inf], [1.25, -2.0]])
    found = Transitions(["O", "U-PER"], scores[0], scores, numpy.array([-numpy.inf, 3.0]))
    chart = draw_transitions(found)
    assert {(row["from"], row["to"]): row["score"] for row in list_rows(chart)} == {
        ("(start)", "O"): 0.5,
        ("O", "O"): 0.5,
        ("U-PER", "O"): 1.25,
        ("U-PER", "U-PER"): -2.0,
        ("U-PER", "(end)"): 3.0,
    }
    assert chart["encoding"]["y"]["scale"]["domain"] == ["(start)", "O", "U-PER"]
    assert chart["encoding"]["x"]["scale"]["domain"] == ["O", "U-PER", "(end)"]


@pytest.mark.parametrize(("count", "is_drawn"), [(MAX_TAGS, True), (MAX_TAGS + 1, False)])
def test_many_tags_are_not_drawn(count, is_drawn):
    square, line = numpy.full((count, count), -numpy.inf), numpy.zeros(count)
    found = Transitions([f"T{i}" for i in range(count)], line, square, line)
    assert (draw_transitions(found) is not None) is is_drawn


def test_curves_stand_one_above_the_other():
    curves = Curves(
        losses=[{"step": 0, "component": "ner", "loss": 2.0}],
        rates=[{"step": 0, "learn_rate": 0.001}],
        scores=[{"step": 0, "score": "ents_f", "value": 0.5}],
        steps=1,
        seconds=1.0,
    )
    chart = draw_curves(curves)
    fields = [part["encoding"]["y"]["field"] for part in chart["vconcat"]]
    assert fields == ["loss", "value", "learn_rate"]
    assert list_rows(chart) == [*curves.losses, *curves.scores, *curves.rates]


def test_curves_without_points_are_left_out():
    curves = Curves([], [{"step": 0, "learn_rate": 0.001}], [], 1, 1.0)
    [part] = draw_curves(curves)["vconcat"]
    assert part["encoding"]["y"]["field"] == "learn_rate"
