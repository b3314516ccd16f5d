import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.evaluation.groups import (
    by_document_length,
    by_entity_length,
    by_seen,
    collect_forms,
)
from spacy_bilstm_crf.evaluation.metrics import Counts, add_counts
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome

NLP = spacy.blank("zh")
SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 30), st.sampled_from(["PER", "ORG"])),
    unique=True,
    max_size=6,
)


def make_outcome(text, gold=(), guessed=()):
    ents = ([Entity(s, e, label, s, e) for s, e, label in some] for some in (gold, guessed))
    return Outcome(text, len(text), (), *ents)


@pytest.fixture
def outcomes():
    return [
        make_outcome(
            "张伟在北京大学工作",
            [(0, 2, "PER"), (3, 7, "ORG")],
            [(0, 2, "PER"), (3, 5, "ORG")],
        ),
        make_outcome(
            "王芳住在上海浦东新区", [(0, 2, "PER"), (4, 6, "LOC")], [(4, 6, "LOC")]
        ),
        make_outcome("张伟" * 20, [(0, 2, "PER")], []),
    ]


def test_entities_are_grouped_by_their_own_length(outcomes):
    assert by_entity_length(outcomes) == {"2": Counts(2, 3, 4), "4-5": Counts(0, 0, 1)}


def test_entities_are_grouped_by_the_length_of_their_document(outcomes):
    assert by_document_length(outcomes) == {
        "1-10": Counts(2, 3, 4),
        "21-50": Counts(0, 0, 1),
    }


@pytest.mark.parametrize(
    ("length", "name"),
    [(1, "1"), (3, "3"), (4, "4-5"), (20, "11-20"), (21, "21+"), (999, "21+")],
)
def test_limits_of_lengths(length, name):
    outcome = make_outcome("大" * 1000, [(0, length, "PER")])
    assert list(by_entity_length([outcome])) == [name]


def test_entities_are_grouped_by_what_the_training_data_have(outcomes):
    doc = NLP.make_doc("张伟和王芳")
    doc.set_ents([doc.char_span(0, 2, "PER"), doc.char_span(3, 5, "ORG")])
    forms = collect_forms([doc])
    assert forms == {("PER", "张伟"), ("ORG", "王芳")}
    assert by_seen(outcomes, forms) == {
        "seen": Counts(1, 1, 2),
        "seen with another label": Counts(0, 0, 1),
        "unseen": Counts(1, 2, 2),
    }


@given(st.lists(st.tuples(SPANS, SPANS, st.integers(1, 600)), max_size=4))
def test_groups_add_up_to_all_entities(docs):
    outcomes = []
    for gold, guessed, length in docs:
        ents = (
            [(s, s + n, label) for s, n, label in some if s + n <= length]
            for some in (gold, guessed)
        )
        outcomes.append(make_outcome("一二三四五六" * 100, *ents)._replace(tokens=length))
    expected = Counts(
        sum(len({*o.gold} & {*o.guessed}) for o in outcomes),
        sum(len(o.guessed) for o in outcomes),
        sum(len(o.gold) for o in outcomes),
    )
    forms = {("PER", "一"), ("ORG", "一二")}
    for groups in (
        by_entity_length(outcomes),
        by_document_length(outcomes),
        by_seen(outcomes, forms),
    ):
        assert add_counts(groups.values()) == expected
