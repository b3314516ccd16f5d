import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.evaluation import judge
from spacy_bilstm_crf.evaluation.judge import judge_entities, prepare

DATA = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("王", [(0, 1, "PER")]),
    ("他去了南京大学读书", [(3, 7, "ORG")]),
]
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 16,
    "depth": 1,
    "dropout": 0.1,
    "tok2vec": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 8},
}


def make_examples(nlp, data):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data
    ]


@pytest.fixture(scope="module")
def trained():
    """It knows the entities of the data, and is sure of them."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    examples = make_examples(nlp, DATA)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture
def ner(trained):
    ner = trained.get_pipe("ner")
    yield ner
    ner.clear_dictionary()


def judge_all(nlp, examples, temperature=1.0):
    return judge_entities(nlp.get_pipe("ner"), prepare(nlp, "ner", examples), temperature)


def add_ruler(trained, *patterns):
    """A pipeline with an entity ruler before the component."""
    nlp = spacy.blank("zh")
    nlp.add_pipe("entity_ruler").add_patterns(
        [{"label": label, "pattern": " ".join(word)} for word, label in patterns]
    )
    nlp.add_pipe("ner", source=trained)
    return nlp


def with_gold(nlp, text, ents, missing=()):
    """An example whose gold annotation lacks some tokens."""
    gold = nlp.make_doc(text)
    spans = [Span(gold, *ent) for ent in ents]
    holes = [gold[i : i + 1] for i in missing]
    gold.set_ents(spans, missing=holes, default="outside")
    return Example(nlp.make_doc(text), gold)


def test_entities_are_judged_by_place_and_label(trained):
    wrong = [
        (DATA[0][0], [(0, 2, "LOC"), (3, 5, "LOC")]),
        (DATA[1][0], []),
        (DATA[4][0], [(3, 5, "ORG"), (5, 7, "ORG")]),
    ]
    found = judge_all(trained, make_examples(trained, wrong))
    assert found.correct.tolist() == [False, True, False, False, False]
    assert (found.confidence > 0.5).all()
    assert (found.given, found.unknown) == (0, 0)


def test_confidence_is_that_of_the_component(trained, ner):
    ner.spans_key, ner.cfg["temperature"] = "sc", 1.7
    docs = list(trained.pipe([text for text, _ in DATA]))
    expected = numpy.concatenate([doc.spans["sc"].attrs["scores"] for doc in docs])
    ner.spans_key, ner.cfg["temperature"] = None, 1.0
    found = judge_all(trained, make_examples(trained, DATA), 1.7)
    numpy.testing.assert_allclose(found.confidence, expected, rtol=1e-6)


def test_docs_of_several_batches_are_all_judged(trained, monkeypatch):
    whole = judge_all(trained, make_examples(trained, DATA))
    monkeypatch.setattr(judge, "BATCH_SIZE", 2)
    parts = judge_all(trained, make_examples(trained, DATA))
    assert parts.correct.tolist() == whole.correct.tolist()
    numpy.testing.assert_allclose(parts.confidence, whole.confidence, rtol=1e-5)


def test_entities_on_tokens_without_annotation_are_left_out(trained):
    text, _ = DATA[0]
    eg = with_gold(trained, text, [(0, 2, "PER")], missing=[4])
    found = judge_all(trained, [eg])
    assert found.correct.tolist() == [True]
    assert found.unknown == 1


def test_docs_without_annotation_are_left_out(trained):
    examples = make_examples(trained, DATA)
    bare = [Example(trained.make_doc(text), trained.make_doc(text)) for text, _ in DATA[:1]]
    found = judge_all(trained, [*examples, *bare])
    assert len(found.correct) == 6
    assert found.unknown == 2


def test_entities_on_misaligned_tokens_are_left_out(trained, ner):
    ner.add_dictionary([{"label": "LOC", "pattern": "北京"}], bonus=50.0)
    # The gold entity is half a token.
    gold = make_examples(trained, [("张伟在北京", [(0, 2, "PER"), (3, 4, "LOC")])])
    words = ["张", "伟", "在", "北京"]
    doc = Doc(trained.vocab, words=words, spaces=[False] * 4)
    found = judge_all(trained, [Example(doc, gold[0].reference)])
    assert found.correct.tolist() == [True]
    assert found.unknown == 1


def test_gold_of_labels_that_it_does_not_know_is_none_that_it_found(trained):
    ents = [(0, 2, "NEW"), (3, 5, "LOC")]
    found = judge_all(trained, make_examples(trained, [(DATA[0][0], ents)]))
    assert found.correct.tolist() == [False, True]


def test_entities_of_earlier_components_are_left_out(trained):
    nlp = add_ruler(trained, ("北京", "LOC"))
    found = judge_all(nlp, make_examples(nlp, DATA[:2]))
    assert len(found.correct) == 3
    assert found.given == 1


def test_entities_that_it_overwrites_are_its_own(trained):
    nlp = add_ruler(trained, ("北京", "LOC"))
    nlp.get_pipe("ner").overwrite = True
    try:
        found = judge_all(nlp, make_examples(nlp, DATA[:2]))
    finally:
        nlp.get_pipe("ner").overwrite = False
    assert len(found.correct) == 4
    assert found.given == 0


def test_hard_words_are_left_out(trained, ner):
    ner.add_dictionary([{"label": "LOC", "pattern": "北京"}], mode="hard")
    found = judge_all(trained, make_examples(trained, DATA[:2]))
    assert len(found.correct) == 3
    assert found.given == 1


def test_soft_words_count_with_their_bonus(trained, ner):
    before = judge_all(trained, make_examples(trained, DATA[:1]))
    ner.add_dictionary([{"label": "LOC", "pattern": "北京"}], bonus=2.0)
    after = judge_all(trained, make_examples(trained, DATA[:1]))
    assert after.given == 0
    assert after.confidence[1] > before.confidence[1]


def test_components_before_it_run_and_it_does_not(trained):
    nlp = spacy.blank("zh")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner", source=trained)
    [batch] = prepare(nlp, "ner", make_examples(nlp, DATA[:1]))
    [doc] = batch.query.docs
    assert doc.has_annotation("SENT_START")
    assert not doc.has_annotation("ENT_IOB")


def test_docs_keep_the_tokens_that_their_reader_gave_them(trained):
    words = ["张伟", "在", "北京"]
    gold = Doc(trained.vocab, words=words, ents=["B-PER", "O", "B-LOC"])
    [batch] = prepare(trained, "ner", [Example(Doc(trained.vocab, words=words), gold)])
    assert [token.text for token in batch.query.docs[0]] == words


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda doc: None, "no Docs"),
        (lambda doc: doc, "no gold annotation"),
        (lambda doc: doc.set_ents([], default="outside") or doc, "no gold entities"),
    ],
    ids=["no-docs", "no-annotation", "no-entities"],
)
def test_nothing_to_calibrate_on_is_an_error(trained, make, message):
    gold = make(trained.make_doc(DATA[0][0]))
    examples = [Example(trained.make_doc(gold.text), gold)] if gold else []
    with pytest.raises(ValueError, match=f"nothing to calibrate on: .* {message}"):
        prepare(trained, "ner", examples)


def test_a_component_that_was_never_initialized_says_so():
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner")
    with pytest.raises(ValueError, match="E109"):
        prepare(nlp, "ner", make_examples(nlp, DATA))
