from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.evaluation.mistakes import (
    KINDS,
    Confusion,
    Mistake,
    count_confusions,
    find_mistakes,
)
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.evaluation.strict import score_strictly

PER, ORG = (0, 2, "PER"), (3, 7, "ORG")
LABELS = st.sampled_from(["PER", "ORG", "LOC"])
# A gap before each entity, its length and its label.
LAYOUT = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), LABELS), max_size=6)
# Those of other tokens may overlap each other.
GUESSES = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), LABELS), max_size=6)


def make_outcome(gold, guessed):
    """A token is a character."""
    ents = ([Entity(s, e, label, s, e) for s, e, label in some] for some in (gold, guessed))
    return Outcome("张伟在北京大学工作一二三", 12, (), *ents)


def lay(layout):
    ents, end = [], 0
    for gap, size, label in layout:
        start, end = end + gap, end + gap + size
        ents.append((start, end, label))
    return ents


def find(gold, guessed):
    """The mistakes, without the offsets of their entities."""
    found = find_mistakes(make_outcome(gold, guessed))
    return [(gold and gold[:3], guess and guess[:3], kind) for gold, guess, kind in found]


@pytest.mark.parametrize(
    ("gold", "guess", "kind"),
    [
        (ORG, (3, 7, "LOC"), "label"),
        (ORG, (3, 5, "ORG"), "boundaries"),
        (ORG, (3, 5, "LOC"), "both"),
        (ORG, (6, 9, "LOC"), "both"),
        (ORG, None, "missed"),
        (None, ORG, "spurious"),
    ],
)
def test_what_is_wrong(gold, guess, kind):
    ents = ([ent] if ent else [] for ent in (gold, guess))
    assert find(*ents) == [(gold, guess, kind)]


def test_what_is_right_is_no_mistake():
    assert find([PER, ORG], [PER, ORG]) == []


def test_entities_that_only_touch_are_two_mistakes():
    assert find([(0, 2, "PER")], [(2, 4, "PER")]) == [
        ((0, 2, "PER"), None, "missed"),
        (None, (2, 4, "PER"), "spurious"),
    ]


def test_mistakes_are_in_the_order_of_the_text():
    found = find([PER, (8, 9, "LOC")], [(4, 5, "LOC")])
    assert [kind for _, _, kind in found] == ["missed", "spurious", "missed"]


def test_of_several_entities_in_one_place_one_that_is_right_is_no_mistake():
    assert find([ORG], [(3, 7, "LOC"), ORG]) == [(None, (3, 7, "LOC"), "spurious")]


def test_a_mistake_names_its_labels_and_entities():
    gold, guess = Entity(*ORG, 3, 7), Entity(3, 5, "LOC", 3, 5)
    assert Mistake(gold, guess, "both").labels == ("ORG", "LOC")
    assert Mistake(gold, guess, "both").ents == [gold, guess]
    assert Mistake(gold, None, "missed").labels == ("ORG", None)
    assert Mistake(gold, None, "missed").ents == [gold]
    assert Mistake(None, guess, "spurious").labels == (None, "LOC")


@given(LAYOUT, GUESSES)
def test_every_entity_is_right_or_in_one_mistake(layout, guesses):
    gold = lay(layout)
    guessed = sorted((start, start + size, label) for start, size, label in guesses)
    outcome = make_outcome(gold, guessed)
    found = find_mistakes(outcome)
    wrong = Counter(mistake.gold for mistake in found if mistake.gold)
    spurious = Counter(mistake.guess for mistake in found if mistake.guess)
    # As they are counted elsewhere: nothing that is true makes two guesses right.
    right = Counter({*outcome.gold} & {*outcome.guessed})
    assert wrong + right == Counter(outcome.gold)
    assert spurious + right == Counter(outcome.guessed)
    counts = score_strictly([outcome], samples=1, seed=0).per_label
    for label, some in counts.items():
        lost = sum(mistake.labels.gold == label for mistake in found)
        assert some.gold - some.correct == lost


@given(LAYOUT, LAYOUT)
def test_the_kind_is_what_differs(layout, guesses):
    for gold, guess, kind in find_mistakes(make_outcome(lay(layout), lay(guesses))):
        assert kind in KINDS
        assert (kind == "spurious") == (gold is None)
        assert (kind == "missed") == (guess is None)
        if gold and guess:
            same_place, same_label = gold[:2] == guess[:2], gold.label == guess.label
            assert (kind == "label") == same_place
            assert (kind == "boundaries") == same_label
            assert gold.start < guess.end
            assert guess.start < gold.end


def test_confusions_have_all_mistakes_the_most_frequent_ones_first():
    outcomes = [
        make_outcome([ORG], [(2, 7, "ORG")]),
        None,
        make_outcome([PER, ORG], [(3, 7, "LOC")]),
        make_outcome([PER], []),
    ]
    found = count_confusions(outcomes)
    assert {labels: [n for n, _ in some] for labels, some in found.items()} == {
        ("PER", None): [2, 3],
        ("ORG", "ORG"): [0],
        ("ORG", "LOC"): [2],
    }
    assert next(iter(found)) == Confusion("PER", None)
    assert found["ORG", "LOC"] == [(2, find_mistakes(outcomes[2])[1])]


def test_without_mistakes_there_are_no_confusions():
    assert count_confusions([make_outcome([PER], [PER]), None]) == {}
