import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.evaluation import outcomes as module
from spacy_bilstm_crf.evaluation.metrics import count_named
from spacy_bilstm_crf.evaluation.outcomes import Entity, make_outcome, predict_outcomes
from spacy_bilstm_crf.reading import Reading

NLP = spacy.blank("zh")
TEXT = "张伟在北京大学工作"
LABELS = st.sampled_from(["PER", "ORG"])
# A gap before each entity, its length and its label.
LAYOUT = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), LABELS), max_size=5)


def make_doc(words, ents=(), missing=(), spaces=None):
    doc = Doc(NLP.vocab, words=list(words), spaces=spaces or [False] * len(words))
    spans = [Span(doc, *ent) for ent in ents]
    holes = [doc[i : i + 1] for i in missing]
    doc.set_ents(spans, missing=holes, default="outside")
    return doc


def cut(lengths, text="一二三 四五六\n七八九"):
    """Words of these lengths, and what is left."""
    words, start = [], 0
    for length in lengths:
        words.append(text[start : start + length])
        start += length
    return [word for word in [*words, text[start:]] if word]


def lay(layout, length):
    ents, end = [], 0
    for gap, size, label in layout:
        start, end = end + gap, end + gap + size
        ents += [(start, end, label)] if end <= length else []
    return ents


def test_entities_have_their_places_in_the_gold():
    gold = make_doc(["Anna", "is", "here"], [(0, 1, "PER")], spaces=[True, True, False])
    guessed = make_doc(["Anna", "is", "here"], [(2, 3, "LOC")], spaces=[True, True, False])
    outcome = make_outcome(Example(guessed, gold))
    assert outcome.gold == [Entity(0, 1, "PER", 0, 4)]
    assert outcome.guessed == [Entity(2, 3, "LOC", 8, 12)]
    assert outcome.get_form(outcome.guessed[0]) == "here"
    assert (outcome.text, outcome.tokens, outcome.missing) == ("Anna is here", 3, ())


def test_entities_of_other_tokens_are_those_of_the_gold():
    gold = make_doc(TEXT, [(0, 2, "PER"), (3, 7, "ORG")])
    guessed = make_doc(["张伟", "在", "北京大学", "工作"], [(0, 1, "PER"), (2, 3, "ORG")])
    outcome = make_outcome(Example(guessed, gold))
    assert outcome.guessed == outcome.gold
    assert outcome.misaligned == []


def test_entities_that_cut_tokens_of_the_pipeline_are_counted():
    gold = make_doc(TEXT, [(0, 2, "PER"), (3, 7, "ORG")])
    guessed = make_doc(["张伟", "在", "北京", "大学工作"], [(0, 1, "PER")])
    outcome = make_outcome(Example(guessed, gold))
    assert outcome.misaligned == outcome.gold[1:]
    assert outcome.guessed == outcome.gold[:1]


def test_entities_on_tokens_without_annotation_are_ignored():
    gold = make_doc(TEXT, [(0, 2, "PER")], missing=[4, 5])
    guessed = make_doc(TEXT, [(0, 2, "PER"), (3, 5, "ORG"), (6, 7, "ORG")])
    outcome = make_outcome(Example(guessed, gold))
    assert [ent.start for ent in outcome.guessed] == [0, 6]
    assert outcome.ignored == 1
    assert outcome.missing == (4, 5)


def test_docs_without_annotation_have_no_outcome():
    doc = NLP.make_doc(TEXT)
    assert make_outcome(Example(make_doc(TEXT, [(0, 2, "PER")]), doc)) is None


def test_docs_without_entities_have_one():
    outcome = make_outcome(Example(make_doc(TEXT, [(0, 2, "PER")]), make_doc(TEXT)))
    assert (outcome.gold, len(outcome.guessed)) == ([], 1)


def test_whitespace_that_only_the_pipeline_has_is_no_entity():
    gold = make_doc(["Anna", "here"], spaces=[True, False])
    guessed = make_doc(["Anna", " ", "here"], [(1, 2, "PER")], spaces=[False] * 3)
    assert make_outcome(Example(guessed, gold)).guessed == []


@given(
    st.lists(st.integers(1, 3), max_size=8),
    st.lists(st.integers(1, 3), max_size=8),
    LAYOUT,
    LAYOUT,
    st.sets(st.integers(0, 10)),
)
def test_counts_are_those_of_spacy_whatever_the_tokens(
    lengths, others, ents, guesses, missing
):
    words, guessed_words = cut(lengths), cut(others)
    ents, guesses = lay(ents, len(words)), lay(guesses, len(guessed_words))
    inside = {i for start, end, _ in ents for i in range(start, end)}
    missing = [i for i in missing if i < len(words) and i not in inside]
    eg = Example(make_doc(guessed_words, guesses), make_doc(words, ents, missing))
    outcome = make_outcome(eg)
    theirs = get_ner_prf([eg])["ents_per_type"] or {}
    if outcome is None:
        assert not theirs
        return
    both = tuple([(e.label, e) for e in some] for some in (outcome.gold, outcome.guessed))
    ours = count_named([both])
    for label, shares in theirs.items():
        found = ours.get(label)
        expected = (found.precision, found.recall, found.f1) if found else (0.0, 0.0, 0.0)
        numpy.testing.assert_allclose(expected, [shares[name] for name in "prf"])
    assert ours.keys() <= theirs.keys()


@pytest.fixture
def ruled():
    nlp = spacy.blank("zh")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "张 伟"}])
    return nlp


def test_a_pipeline_predicts_on_docs_of_several_batches(ruled, monkeypatch):
    texts = [TEXT, "张伟", "工作"]
    examples = [Example(ruled.make_doc(text), make_doc(text)) for text in texts]
    monkeypatch.setattr(module, "BATCH_SIZE", 2)
    found = list(predict_outcomes(ruled, examples, total=3))
    assert [outcome.text for outcome in found] == texts
    assert [len(outcome.guessed) for outcome in found] == [1, 1, 0]


def test_predictions_do_not_see_the_gold(ruled):
    gold = make_doc(TEXT, [(3, 7, "ORG")])
    [outcome] = predict_outcomes(ruled, [Example(ruled.make_doc(TEXT), gold)])
    assert [ent.label for ent in outcome.guessed] == ["PER"]
    assert [ent.label for ent in outcome.gold] == ["ORG"]


def read(doc, confidence, likely=None):
    """A reading of a Doc. Entities are start and end, in characters, and label."""
    return Reading(doc, [], confidence, {}, likely)


def test_confidence_is_that_of_entities_that_are_found():
    gold = make_doc(TEXT, [(0, 2, "PER")])
    guessed = make_doc(TEXT, [(0, 2, "PER"), (3, 7, "ORG")])
    # The other one is that of another component.
    reading = read(guessed, {(3, 7, "ORG"): 0.8})
    outcome = make_outcome(Example(guessed, gold), reading)
    assert outcome.confidence == {outcome.guessed[1]: 0.8}
    assert outcome.likely is None


def test_confidence_is_that_of_the_entity_on_the_tokens_of_the_gold():
    gold = make_doc(["张伟", "在", "北京", "大学", "工作"], [(0, 1, "PER"), (2, 4, "ORG")])
    guessed = make_doc(TEXT, [(0, 2, "PER"), (3, 6, "ORG")])
    reading = read(guessed, {(0, 2, "PER"): 0.9, (3, 6, "ORG"): 0.7})
    outcome = make_outcome(Example(guessed, gold), reading)
    assert outcome.confidence == dict(zip(outcome.gold, [0.9, 0.7], strict=True))


def test_entities_that_are_ignored_have_no_confidence():
    gold = make_doc(TEXT, [(0, 2, "PER")], missing=[4])
    guessed = make_doc(TEXT, [(3, 7, "ORG")])
    outcome = make_outcome(Example(guessed, gold), read(guessed, {(3, 7, "ORG"): 0.8}))
    assert (outcome.ignored, outcome.confidence) == (1, {})


def test_likely_spans_are_those_that_tokens_of_the_gold_can_have():
    gold = make_doc(["张伟", "在", "北京", "大学", "工作"], [(0, 1, "PER")])
    guessed = make_doc(TEXT)
    likely = {(0, 2, "PER"): 0.3, (3, 6, "ORG"): 0.2, (3, 7, "ORG"): 0.1}
    outcome = make_outcome(Example(guessed, gold), read(guessed, {}, likely))
    assert outcome.likely == {
        Entity(0, 1, "PER", 0, 2): 0.3,
        Entity(2, 4, "ORG", 3, 7): 0.1,
    }


def test_without_a_reading_nobody_knows():
    doc = make_doc(TEXT, [(0, 2, "PER")])
    outcome = make_outcome(Example(doc, doc))
    assert (outcome.confidence, outcome.likely) == ({}, None)


@pytest.fixture(scope="module")
def unsure():
    """A pipeline that has learned nothing yet, but guesses."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    model = {"hidden_width": 8, "dropout": 0.1, "tok2vec": {"width": 4}}
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": model})
    eg = Example(nlp.make_doc(TEXT), make_doc(TEXT, [(0, 2, "PER"), (3, 7, "ORG")]))
    nlp.initialize(lambda: [eg])
    return nlp


def test_to_ask_how_sure_it_is_changes_nothing(unsure, monkeypatch):
    texts = [TEXT, "", "张伟", "工作" * 5]
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    plain, asked = (
        list(
            predict_outcomes(
                unsure,
                [Example(unsure.make_doc(text), make_doc(text)) for text in texts],
                minimum=minimum,
            )
        )
        for minimum in (None, 0.01)
    )
    # Nobody can say where an empty text has entities.
    assert asked.pop(1) is plain.pop(1) is None
    for one, other in zip(asked, plain, strict=True):
        assert one._replace(confidence={}, likely=None) == other
        assert {*one.confidence} == {*one.guessed}
        assert one.likely
    assert asked[0].guessed


def test_a_pipeline_without_probabilities_knows_nothing(ruled):
    eg = Example(ruled.make_doc(TEXT), make_doc(TEXT))
    [outcome] = predict_outcomes(ruled, [eg], minimum=0.01)
    assert outcome.guessed
    assert (outcome.confidence, outcome.likely) == ({}, None)
