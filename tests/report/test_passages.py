import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.evaluation.mistakes import find_mistakes
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.report.passages import LONGEST, cut_passages, rank_passages

PER, ORG = (0, 2, "PER"), (3, 7, "ORG")
TEXT = "张伟在北京大学工作"
LABELS = st.sampled_from(["PER", "ORG"])
# Long texts, some of whose sentences are long, too.
TEXTS = st.text("一二三 。\n", min_size=1, max_size=30).map(lambda text: 40 * text)
# A gap before each entity, its length and its label.
LAYOUT = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 600), LABELS), max_size=5)


def lay(layout, length):
    ents, end = [], 0
    for gap, size, label in layout:
        start, end = end + gap, end + gap + size
        ents += [(start, end, label)] if end <= length else []
    return ents


def cut(*outcomes):
    return list(cut_passages(outcomes))


def test_a_sentence_is_one_passage(make_outcome):
    outcome = make_outcome(TEXT, [PER, ORG], [PER], [0.9], {})
    [passage] = cut(outcome)
    assert (passage.number, passage.start, passage.end) == (0, 0, len(TEXT))
    assert passage.text == TEXT
    assert (passage.gold, passage.guessed) == (outcome.gold, outcome.guessed)
    assert passage.confidence == outcome.confidence
    assert passage.mistakes == find_mistakes(outcome)


def test_passages_have_the_numbers_of_their_documents(make_outcome):
    long = make_outcome(2 * LONGEST * "一")
    found = cut(make_outcome("一"), None, make_outcome(""), long)
    assert [passage.number for passage in found] == [0, 3, 3]


@given(TEXTS, LAYOUT, LAYOUT)
def test_passages_are_the_text_and_cut_no_entity(make_outcome, text, layout, guesses):
    outcome = make_outcome(text, *(lay(some, len(text)) for some in (layout, guesses)))
    passages = cut(outcome)
    assert "".join(passage.text for passage in passages) == text
    for passage in passages:
        assert outcome.text[passage.start : passage.end] == passage.text
        for ent in (*passage.gold, *passage.guessed):
            assert passage.start <= ent.start_char < ent.end_char <= passage.end
    assert [ent for passage in passages for ent in passage.gold] == outcome.gold
    assert [ent for passage in passages for ent in passage.guessed] == outcome.guessed
    mistakes = [mistake for passage in passages for mistake in passage.mistakes]
    assert mistakes == find_mistakes(outcome)


@given(TEXTS)
def test_passages_are_short_and_end_with_a_sentence_if_they_can(make_outcome, text):
    passages = cut(make_outcome(text))
    assert max(len(passage.text) for passage in passages) <= LONGEST
    for passage in passages[:-1]:
        assert passage.text[-1] in "。\n" or not {*"。\n"} & {*passage.text}


def test_the_end_of_a_sentence_within_an_entity_is_none(make_outcome):
    text = "一" * 300 + "。" + "一" * 40 + "。" + "一" * 100
    [first, _] = cut(make_outcome(text, [(330, 345, "ORG")]))
    assert first.end == 301


def test_entities_that_overlap_each_other_stay_together(make_outcome):
    """What ends after the longest passage may overlap what begins after it."""
    gold, guessed = [(100, 600, "ORG"), (900, 1100, "ORG")], [(550, 1000, "ORG")]
    found = cut(make_outcome(1300 * "一", gold, guessed))
    assert [passage.end for passage in found] == [100, 1100, 1300]


@pytest.mark.parametrize(
    ("guessed", "confidence", "likely", "sureness"),
    [
        ([PER, ORG], [0.9, 0.7], {PER: 0.9, ORG: 0.7}, 0.7),
        # What it predicts is no reason to be less sure.
        ([PER], [0.9], {PER: 0.9, ORG: 0.2}, 0.8),
        ([PER], [0.6], {PER: 0.6, ORG: 0.2}, 0.6),
        ([], [], {ORG: 0.45}, 0.55),
        ([], [], {}, 1.0),
        # That of a rule, by itself and beside others.
        ([PER], [], {}, 1.0),
        ([PER], [], None, None),
        ([], [], None, None),
    ],
)
def test_how_sure_the_pipeline_is(make_outcome, guessed, confidence, likely, sureness):
    [passage] = cut(make_outcome(TEXT, [], guessed, confidence, likely))
    assert passage.sureness == pytest.approx(sureness)


def test_how_sure_it_is_of_what_has_no_annotation_does_not_count():
    anna, here = Entity(0, 1, "PER", 0, 4), Entity(2, 3, "LOC", 8, 12)
    outcome = Outcome(
        "Anna is here",
        tokens=3,
        missing=(2,),
        gold=[anna],
        guessed=[anna],
        ignored=1,
        confidence={anna: 0.9},
        likely={anna: 0.9, here: 0.95},
    )
    [passage] = cut(outcome)
    assert passage.sureness == 0.9
    [passage] = cut(outcome._replace(missing=(1,)))
    assert passage.sureness == pytest.approx(0.05)


def test_each_passage_has_its_own_sureness(make_outcome):
    ents = [(0, 2, "PER"), (900, 902, "PER")]
    outcome = make_outcome(1000 * "一", ents, ents, [0.5, 0.7], {(500, 501, "PER"): 0.4})
    assert [passage.sureness for passage in cut(outcome)] == [0.5, 0.6, 0.7]


def test_most_mistakes_and_then_the_least_sure_come_first(make_outcome):
    passages = cut(
        make_outcome(TEXT, [PER], [PER], [0.9]),
        make_outcome(TEXT, [PER], []),
        make_outcome(TEXT, [PER, ORG], []),
        make_outcome(TEXT, [PER], [PER], [0.8]),
        make_outcome(TEXT, [PER], [ORG, PER], [0.8, 0.8]),
        make_outcome(TEXT, [PER], [PER]),
        make_outcome(TEXT, [PER], [PER], [0.9]),
    )
    ranked = [passage.number for passage in rank_passages(passages, 10)]
    assert ranked == [2, 4, 1, 3, 0, 6, 5]
    assert [passage.number for passage in rank_passages(passages, 2)] == [2, 4]
    assert rank_passages(passages, 0) == []
