import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.evaluation.matches import (
    WAYS,
    MatchCounts,
    count_matches,
    pair_entities,
)
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome

LAYOUT = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 6), st.sampled_from(["PER", "ORG"])),
    max_size=8,
)


def lay(layout):
    ents, end = [], 0
    for gap, length, label in layout:
        start, end = end + gap, end + gap + length
        ents.append(Entity(start, end, label, start, end))
    return ents


def match(gold, guessed, way):
    ents = ([Entity(s, e, label, s, e) for s, e, label in some] for some in (gold, guessed))
    return count_matches([Outcome("", 0, (), *ents)])[way]


@pytest.mark.parametrize(
    ("guess", "strict", "exact", "type_", "partial"),
    [
        ((2, 5, "PER"), "correct", "correct", "correct", "correct"),
        ((2, 5, "ORG"), "incorrect", "correct", "incorrect", "correct"),
        ((3, 5, "PER"), "incorrect", "incorrect", "correct", "partial"),
        ((3, 6, "ORG"), "incorrect", "incorrect", "incorrect", "partial"),
        ((5, 6, "PER"), "spurious", "spurious", "spurious", "spurious"),
        ((0, 2, "PER"), "spurious", "spurious", "spurious", "spurious"),
    ],
)
def test_what_each_way_makes_of_a_guess(guess, strict, exact, type_, partial):
    for way, kind in zip(
        ("strict", "exact", "type", "partial"),
        (strict, exact, type_, partial),
        strict=True,
    ):
        counts = match([(2, 5, "PER")], [guess], way)
        assert getattr(counts, kind) == 1
        assert counts.missed == counts.spurious == (kind == "spurious")


@pytest.mark.parametrize("way", WAYS)
def test_no_entity_has_two_partners(way):
    counts = match([(0, 6, "PER")], [(0, 2, "PER"), (2, 4, "PER"), (4, 6, "PER")], way)
    assert counts.spurious == 2
    counts = match([(0, 2, "PER"), (2, 4, "PER"), (4, 6, "PER")], [(0, 6, "PER")], way)
    assert counts.missed == 2


@pytest.mark.parametrize("way", WAYS)
def test_an_entity_that_is_predicted_twice_is_found_once(way):
    # Two predicted entities within one token of the gold.
    counts = match([(0, 1, "PER")], [(0, 1, "PER"), (0, 1, "PER")], way)
    assert (counts.correct, counts.spurious, counts.missed) == (1, 1, 0)


def test_by_type_the_closest_one_is_taken():
    gold = [(0, 1, "PER"), (1, 6, "PER")]
    counts = match(gold, [(0, 5, "PER"), (5, 6, "PER")], "type")
    assert (counts.correct, counts.spurious, counts.missed) == (1, 1, 1)


def test_full_matches_come_first_whatever_the_order():
    counts = match([(0, 1, "PER")], [(0, 1, "ORG"), (0, 1, "PER")], "strict")
    assert (counts.correct, counts.incorrect, counts.spurious) == (1, 0, 1)


def test_a_partial_match_counts_half():
    counts = match(
        [(0, 2, "PER"), (3, 5, "PER")], [(0, 2, "PER"), (4, 5, "PER")], "partial"
    )
    assert (counts.precision, counts.recall, counts.f1) == (0.75, 0.75, 0.75)


def test_nothing_scores_0():
    counts = MatchCounts()
    assert (counts.precision, counts.recall, counts.f1) == (0.0, 0.0, 0.0)


@given(LAYOUT, LAYOUT)
def test_counts_are_those_of_nervaluate(layout, guessed):
    nervaluate = pytest.importorskip("nervaluate", reason="needs Python 3.11")
    gold, guesses = lay(layout), lay(guessed)
    docs = [
        [[{"label": e.label, "start": e.start, "end": e.end - 1} for e in some]]
        for some in (gold, guesses)
    ]
    evaluator = nervaluate.Evaluator(*docs, tags=["PER", "ORG"], loader="dict")
    theirs = evaluator.evaluate()["overall"]
    found = count_matches([Outcome("", 0, (), gold, guesses)])
    for way, counts in found.items():
        other = theirs["ent_type" if way == "type" else way]
        assert vars(counts) == {name: getattr(other, name) for name in vars(counts)}


@given(LAYOUT, LAYOUT, st.sampled_from(list(WAYS)))
def test_every_entity_is_in_one_pair(layout, guessed, way):
    gold, guesses = lay(layout), lay(guessed)
    pairs = pair_entities(gold, guesses, way)
    assert sorted(pair.gold for pair in pairs if pair.gold) == gold
    assert sorted(pair.guess for pair in pairs if pair.guess) == guesses
    for pair in pairs:
        assert (pair.gold is None) == (pair.match == "spurious")
        assert (pair.guess is None) == (pair.match == "missed")
