import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.failures import answer_each

NLP = spacy.blank("zh")


def ask_about(bad, asked):
    def ask(docs):
        asked.append(len(docs))
        if any(doc.text in bad for doc in docs):
            raise RuntimeError("bad")
        return [doc.text * 2 for doc in docs]

    return ask


texts_of = st.sampled_from("abcd")


@given(st.lists(texts_of, min_size=1, max_size=30), st.sets(texts_of))
def test_those_that_fail_are_told_of_alone_and_the_others_are_answered(texts, bad):
    docs = [NLP.make_doc(text) for text in texts]
    failed = []

    def fail(docs, error):
        assert str(error) == "bad"
        failed.append([doc.text for doc in docs])

    found = list(answer_each(ask_about(bad, []), docs, fail))
    assert [doc.text for doc, _ in found] == [text for text in texts if text not in bad]
    assert all(answer == doc.text * 2 for doc, answer in found)
    assert failed == [[text] for text in texts if text in bad]


def test_a_batch_that_does_not_fail_is_asked_about_once():
    asked = []
    docs = [NLP.make_doc("a") for _ in range(9)]
    assert len(list(answer_each(ask_about("b", asked), docs, None))) == 9
    assert asked == [9]


def test_one_of_many_is_found_by_halves():
    asked = []
    docs = [NLP.make_doc("b" if i == 700 else "a") for i in range(1000)]
    found = list(answer_each(ask_about("b", asked), docs, lambda docs, error: None))
    assert len(found) == 999
    assert len(asked) < 25


def test_nothing_of_an_attempt_is_held_while_others_are_made():
    errors = []
    docs = [NLP.make_doc(text) for text in "aaba"]
    list(answer_each(ask_about("b", []), docs, lambda docs, error: errors.append(error)))
    (error,) = errors
    # An error that is being handled holds its frames, and becomes the context of the next.
    assert error.__context__ is None


def test_a_handler_that_raises_ends_it():
    docs = [NLP.make_doc(text) for text in "aab"]
    answers = answer_each(ask_about("b", []), docs, lambda docs, error: 1 / 0)
    assert next(answers)[0].text == "a"
    with pytest.raises(ZeroDivisionError):
        list(answers)
