import re

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bilstm_crf import targets
from spacy_bilstm_crf.tags import UNKNOWN, tag_names
from spacy_bilstm_crf.targets import allowed_tags, gold_tags

# ORG and PERSON are symbols of spaCy's own, PER and x are not.
LABELS = ["ORG", "PER", "PERSON", "x"]
NAMES = tag_names(LABELS)
NLP = spacy.blank("en")


def expected(eg):
    """What spaCy's own alignment says."""
    tags = eg.get_aligned_ner()
    return [UNKNOWN if tag in (None, "-") else NAMES.index(tag) for tag in tags]


@st.composite
def annotated_docs(draw):
    """Docs with entities, missing, blocked and whitespace tokens at random."""
    alphabet = ["a", "b", " ", "\n", "  ", "\u3000", "中"]
    words = draw(st.lists(st.sampled_from(alphabet), max_size=8))
    doc = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
    if draw(st.booleans()):
        return doc
    groups = {"entities": [], "missing": [], "blocked": [], "outside": []}
    start = 0
    while start < len(words):
        end = draw(st.integers(start + 1, len(words)))
        kind = draw(st.sampled_from(sorted(groups)))
        label = draw(st.sampled_from(LABELS)) if kind == "entities" else ""
        groups[kind].append(Span(doc, start, end, label))
        start = end
    doc.set_ents(**groups)
    return doc


@given(st.lists(annotated_docs(), max_size=4))
@settings(max_examples=300, deadline=None)
def test_equal_to_spacys_alignment_over_the_same_tokens(docs):
    examples = [Example(NLP.make_doc(""), doc) for doc in docs]
    for eg in examples:
        words = [token.text for token in eg.reference]
        eg.predicted = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
    found = [target.tolist() for target in gold_tags(examples, LABELS)]
    assert found == [expected(eg) for eg in examples]


@given(st.lists(annotated_docs(), max_size=3), st.data())
@settings(max_examples=100, deadline=None)
def test_equal_to_spacys_alignment_over_other_tokens(docs, data):
    examples = []
    for doc in docs:
        text, words = doc.text, []
        while text:
            size = data.draw(st.integers(1, len(text)))
            words.append(text[:size])
            text = text[size:]
        predicted = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
        examples.append(Example(predicted, doc))
    found = [target.tolist() for target in gold_tags(examples, LABELS)]
    assert found == [expected(eg) for eg in examples]


def test_gold_that_set_ents_would_not_write_equals_spacys_reading():
    org, per = (NLP.vocab.strings.add(label) for label in ("ORG", "PER"))
    for iobs, types in (
        ([1, 1, 2], [org, org, 0]),  # I without B
        ([3, 1, 1], [org, per, per]),  # the type changes
        ([2, 1, 3], [0, org, per]),
    ):
        doc = Doc(NLP.vocab, words=["a", "b", "c"])
        doc.from_array(["ENT_IOB", "ENT_TYPE"], numpy.array([iobs, types], "uint64").T)
        eg = Example(Doc(NLP.vocab, words=["a", "b", "c"]), doc)
        try:
            tags = expected(eg)
        except ValueError as error:
            with pytest.raises(ValueError, match=re.escape(str(error))):
                gold_tags([eg], LABELS)
        else:
            assert gold_tags([eg], LABELS)[0].tolist() == tags


def test_clean_gold_takes_the_fast_path(monkeypatch):
    def refuse(*args):
        raise AssertionError("aligned token by token")

    monkeypatch.setattr(targets, "_read_aligned", refuse)
    text = "Ada met Bob Lee"
    gold = {"entities": [(0, 3, "PER"), (8, 15, "ORG")]}
    egs = [
        Example.from_dict(NLP.make_doc(text), gold),
        Example.from_dict(NLP.make_doc(""), {}),
    ]
    found, empty = gold_tags(egs, LABELS)
    assert [NAMES[tag] for tag in found] == ["U-PER", "O", "B-ORG", "L-ORG"]
    assert empty.tolist() == []


def test_no_examples_have_no_targets():
    assert gold_tags([], LABELS) == []


def test_a_label_that_was_not_there_is_named():
    eg = Example.from_dict(NLP.make_doc("Ada"), {"entities": [(0, 3, "QUEEN")]})
    with pytest.raises(
        ValueError, match=r"\['QUEEN'\].*knows \['ORG', 'PER', 'PERSON', 'x'\]"
    ):
        gold_tags([eg], LABELS)
    with pytest.raises(ValueError, match="QUEEN"):
        gold_tags([eg], [])


def test_known_tags_allow_themselves_and_unknown_ones_all():
    (allowed,) = allowed_tags([numpy.array([0, UNKNOWN, 3])], 5)
    assert allowed.tolist() == [
        [True, False, False, False, False],
        [True] * 5,
        [False, False, False, True, False],
    ]
