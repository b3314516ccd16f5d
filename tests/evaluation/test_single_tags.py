from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from spacy_bilstm_crf.corpus.schemes import get_scheme, spans_to_tags
from spacy_bilstm_crf.evaluation.metrics import Counts
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.evaluation.single_tags import score_single_tags

BMES = get_scheme("bmes")
SPANS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["PER", "ORG"])),
    max_size=6,
)


def make_outcome(length, gold, guessed, missing=()):
    ents = ([Entity(s, e, label, s, e) for s, e, label in some] for some in (gold, guessed))
    return Outcome("大" * length, length, tuple(missing), *ents)


def lay(layout):
    ents, end = [], 0
    for gap, length, label in layout:
        start, end = end + gap, end + gap + length
        ents.append((start, end, label))
    return ents


def test_tags_are_scored_with_and_without_o():
    outcome = make_outcome(6, [(0, 2, "PER")], [(0, 2, "PER"), (3, 4, "PER")])
    tags = score_single_tags([outcome], BMES)
    assert tags.scheme == "bmes"
    assert tags.with_outside.accuracy == 5 / 6
    assert tags.with_outside.per_tag["O"] == Counts(3, 3, 4)
    assert tags.with_outside.per_tag["S-PER"] == Counts(0, 1, 0)
    # What is predicted where nothing is costs nothing there.
    assert tags.without_outside.accuracy == tags.without_outside.weighted_f1 == 1.0


def test_tokens_without_annotation_are_left_out():
    outcome = make_outcome(6, [(0, 2, "PER")], [], missing=[4, 5])
    assert score_single_tags([outcome], BMES).with_outside.per_tag["O"].gold == 2


def test_of_entities_within_one_token_the_first_has_the_tag():
    outcome = make_outcome(
        3, [(0, 1, "PER")], [(0, 1, "ORG"), (0, 1, "PER"), (1, 3, "ORG")]
    )
    per_tag = score_single_tags([outcome], BMES).with_outside.per_tag
    assert per_tag["S-ORG"] == Counts(0, 1, 0)
    assert per_tag["S-PER"] == Counts(0, 0, 1)
    assert per_tag["B-ORG"] == Counts(0, 1, 0)


@given(SPANS, SPANS)
def test_figures_are_those_of_scikit_learn(layout, guessed):
    ents = [lay(layout), lay(guessed)]
    length = max([1, *(end for some in ents for _, end, _ in some)])
    tags = score_single_tags([make_outcome(length, *ents)], BMES)
    gold, found = (spans_to_tags(some, length, BMES) for some in ents)
    assert tags.with_outside.accuracy == accuracy_score(gold, found)
    inside = [(a, b) for a, b in zip(gold, found, strict=True) if a != "O"]
    for scores, pairs in (
        (tags.with_outside, list(zip(gold, found, strict=True))),
        (tags.without_outside, inside),
    ):
        if pairs:
            theirs = f1_score(
                *zip(*pairs, strict=True), average="weighted", zero_division=0
            )
            assert abs(scores.weighted_f1 - theirs) < 1e-9
