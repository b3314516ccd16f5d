import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.detect import (
    MAX_PAIRS,
    count_tags,
    detect_scheme,
    may_follow,
)
from spacy_bilstm_crf.corpus.schemes import SCHEMES, spans_to_tags, tags_to_spans
from spacy_bilstm_crf.corpus.sentence import CorpusError

TAGS = ["O", "X-PER", "O-PER", *(f"{x}-{label}" for x in "BIMELSUW" for label in "AB")]
sentences = st.lists(st.lists(st.sampled_from(TAGS), max_size=6), max_size=6)
schemes = st.sampled_from([*SCHEMES.values()])


def detect(tags):
    return detect_scheme(count_tags(tags))


def is_legal(tags, scheme):
    return not tags_to_spans(tags, scheme)[1]


@given(st.lists(st.sampled_from(TAGS), max_size=12), schemes)
@example(["X-PER"], SCHEMES["bio"])
@example(["O-PER"], SCHEMES["bio"])
@example(["S-A", "O-PER", "S-B"], SCHEMES["bmes"])
def test_transitions_are_legal_if_and_only_if_nothing_is_repaired(tags, scheme):
    pairs = zip(["O", *tags], [*tags, "O"], strict=True)
    assert all(may_follow(*pair, scheme) for pair in pairs) == is_legal(tags, scheme)


@given(sentences)
def test_every_tag_is_counted_once(tags):
    counts = count_tags(tags)
    flat = [tag for sentence in tags for tag in sentence]
    assert counts.tags == {tag: flat.count(tag) for tag in set(flat)}
    detected = detect_scheme(counts)
    assert detected.unknown == flat.count("X-PER")
    assert detected.known == len(flat) - detected.unknown
    assert detected.entity == detected.known - flat.count("O") - flat.count("O-PER")


@given(sentences)
def test_detected_scheme_has_the_fewest_illegal_transitions(tags):
    legal = [name for name in SCHEMES if all(is_legal(s, SCHEMES[name]) for s in tags)]
    assert not legal or detect(tags).scheme.name == legal[0]


def test_counts_can_be_given_other_names():
    counts = count_tags([["a", "A", "a", "A"], ["a"]]).map(str.upper)
    assert counts == count_tags([["A", "A", "A", "A"], ["A"]])


@given(st.lists(st.lists(st.sampled_from("ABC"), max_size=4)), schemes)
def test_detected_scheme_needs_no_repair(labels, scheme):
    """The labels stand for entities of two tokens, with a token between some."""
    tags = []
    for sentence in labels:
        spans = [(2 * i, 2 * i + 2, label) for i, label in enumerate(sentence)]
        tags.append(spans_to_tags(spans, 2 * len(spans) + 1, scheme))
    detected = detect(tags)
    assert all(is_legal(sentence, detected.scheme) for sentence in tags)
    assert detected.known == sum(map(len, tags))


# A single B between two entities makes IOB1 of IO.
@pytest.mark.parametrize("name", sorted(SCHEMES.keys() - {"io"}))
def test_scheme_is_detected_despite_some_broken_tags(name):
    spans = [(0, 3, "PER"), (3, 4, "PER"), (4, 6, "PER"), (7, 8, "ORG")]
    tags = [spans_to_tags(spans, 8, SCHEMES[name])] * 100
    # Many kinds of fault, each of them rare.
    broken = [
        spans_to_tags([(0, 4, label), (4, 5, label)], 5, other)
        for other in SCHEMES.values()
        for label in "ABCDEFG"
    ]
    assert detect([*broken, *tags]).scheme.name == name


def test_end_of_a_sentence_counts_as_a_transition():
    # BIOES would have closed the entities, BIO has no E.
    assert detect([*[["B-A", "I-A"]] * 3, ["B-A", "E-A"]]).scheme.name == "bio"


def test_tags_without_any_b_are_io():
    assert detect([["I-PER", "I-PER", "O", "I-LOC"]]).scheme.name == "io"


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        # As many faults in BIO: it has no M.
        (["B-PER", "M-PER", "O"], "bmes"),
        (["B-PER", "M-PER", "O", "W-LOC"], "bmewo"),
        (["B-PER", "E-PER", "E-PER", "O", "I-PER"], "bioes"),
    ],
)
def test_of_equal_schemes_the_one_with_all_letters_is_taken(tags, name):
    assert detect([tags]).scheme.name == name


def test_evidence_shows_letters_and_the_next_best_scheme():
    # BMEWO fits these tags just as well: that says nothing.
    evidence = detect([["B-PER", "M-PER", "E-PER", "O"]]).evidence
    assert evidence == (
        "letters B 1, E 1, M 1; illegal transitions: bmes 0, next best bioes 1"
    )


def test_evidence_shows_the_typed_o():
    evidence = detect([["BOS-O", "O-PER", "W-PER", "O"]]).evidence
    assert evidence == (
        "letters W 1, typed O 2; illegal transitions: bmewo+ 0, next best bmewo 2"
    )


def test_first_tag_that_cannot_be_read_is_the_example():
    assert detect([["O", "", "?", "!"], ["!"]]).example == "?"


def test_tags_that_cannot_be_tags_are_not_all_held_in_memory():
    words = ([f"word{i}", f"{i}"] for i in range(MAX_PAIRS))
    with pytest.raises(CorpusError, match="far too many different tags"):
        count_tags(words)
    assert next(words)
