import copy
import pickle
import sys

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm_crf.matching import Hits, WordMatcher, fold, lay_out
from spacy_bilstm_crf.tags import BEGIN, INSIDE, LAST, UNIT

NLP = spacy.blank("xx")
PIECES = st.sampled_from(["a", "b", "A", "aB", "ba", "中", "中a"])


@st.composite
def make_docs(draw):
    docs = []
    for _ in range(draw(st.integers(0, 4))):
        words = draw(st.lists(PIECES, max_size=6))
        spaces = [draw(st.booleans()) for _ in words]
        docs.append(Doc(NLP.vocab, words=words, spaces=spaces))
    return docs


def rows_of(hits):
    return sorted(zip(*(column.tolist() for column in hits), strict=True))


def brute_force(docs, words, ignore_case):
    found, offset = [], 0
    for doc in docs:
        for start in range(len(doc)):
            for end in range(start + 1, len(doc) + 1):
                text = doc[start:end].text
                for i, (word, ignore) in enumerate(zip(words, ignore_case, strict=True)):
                    if word == text or (ignore and word.lower() == text.lower()):
                        found.append((offset + start, offset + end, i))
        offset += len(doc)
    return sorted(found)


@given(
    make_docs(),
    st.lists(st.tuples(st.text("abAB 中", min_size=1, max_size=4), st.booleans())),
)
def test_words_are_found_where_tokens_begin_and_end(docs, entries):
    # A span's text has no space at its ends.
    entries = [entry for entry in entries if entry[0].strip() == entry[0]]
    words = [word for word, _ in entries]
    ignore_case = [ignore for _, ignore in entries]
    hits = WordMatcher(words, ignore_case).find(docs)
    assert rows_of(hits) == brute_force(docs, words, ignore_case)


def test_words_of_several_tokens_are_found_in_languages_with_spaces():
    doc = Doc(NLP.vocab, words=["In", "New", "York", "City", "today"])
    hits = WordMatcher(["New York", "York City", "York", "ork"], [False] * 4).find([doc])
    assert rows_of(hits) == [(1, 3, 0), (2, 3, 2), (2, 4, 1)]


@pytest.mark.parametrize("words", [[], ["甲"]])
def test_nothing_is_found_where_nothing_is(words):
    matcher = WordMatcher(words, [False] * len(words))
    for docs in ([], [NLP.make_doc("")], [NLP.make_doc("乙")]):
        assert rows_of(matcher.find(docs)) == []


def test_matchers_can_be_copied_and_pickled():
    matcher = WordMatcher(["甲", "A"], [False, True])
    doc = Doc(NLP.vocab, words=["甲", "a"])
    for other in (copy.deepcopy(matcher), pickle.loads(pickle.dumps(matcher))):
        assert rows_of(other.find([doc])) == [(0, 1, 0), (1, 2, 1)]


def test_the_places_of_tokens_in_words():
    starts, ends = numpy.array([4, 0, 2]), numpy.array([7, 1, 4])
    tokens, places, which = lay_out(Hits(starts, ends, numpy.zeros(3, dtype="int64")))
    assert tokens.tolist() == [4, 5, 6, 0, 2, 3]
    assert places.tolist() == [BEGIN, INSIDE, LAST, UNIT, BEGIN, LAST]
    assert which.tolist() == [0, 0, 0, 1, 2, 2]


def test_folding_keeps_the_number_of_characters():
    for code in range(sys.maxunicode + 1):
        assert len(fold(chr(code))) == 1
