import random

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.presets import allow_presets, find_presets
from spacy_bilstm_crf.tags import find_spans

NLP = spacy.blank("zh")
LABELS = ["LOC", "PER"]
TEXT = "张伟在北京工作"
GOLD = [(0, 2, "PER"), (3, 5, "LOC")]
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 16,
    "depth": 1,
    "dropout": 0.1,
    "tok2vec": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 8},
}


@pytest.fixture(scope="module")
def trained():
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    data = [(TEXT, GOLD), ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")])]
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture
def ner(trained):
    ner = trained.get_pipe("ner")
    yield ner
    ner.overwrite, ner.spans_key, ner.threshold = False, None, 0.0


def make_doc(*ents, text=TEXT, blocked=()):
    doc = NLP.make_doc(text)
    doc.set_ents(
        [Span(doc, *ent) for ent in ents], blocked=[doc[i : i + 1] for i in blocked]
    )
    return doc


def ents_of(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_fresh_docs_bring_nothing():
    assert find_presets(make_doc(text="")) is None
    assert find_presets(NLP.make_doc(TEXT)) is None
    assert allow_presets([NLP.make_doc(TEXT)], LABELS) is None


def test_tokens_marked_as_outside_are_free():
    doc = NLP.make_doc(TEXT)
    doc.set_ents([], default="outside")
    assert find_presets(doc) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from("LPX")), max_size=4
    )
)
def test_allowed_tags_are_those_of_the_entities(drawn):
    ents, place = [], 0
    for gap, length, label in drawn:
        place += gap
        ents.append((place, place + length, {"L": "LOC", "P": "PER", "X": "OLD"}[label]))
        place += length
    doc = make_doc(*ents, text="字" * (place + 1), blocked=[place])
    [allowed] = allow_presets([doc], LABELS)
    # Free tokens may be O: then the only path left is that of the presets.
    forced = numpy.where(allowed.all(1), 0, allowed.argmax(1))
    spans = find_spans(forced)
    assert [(i, j, LABELS[k]) for i, j, k in zip(*spans, strict=True)] == [
        ent for ent in ents if ent[2] in LABELS
    ]
    assert (allowed.sum(1) == 1).sum() == sum(j - i for i, j, _ in ents) + 1


def test_earlier_entities_stay(ner):
    doc = ner(make_doc((2, 6, "OLD")))
    assert ents_of(doc) == [(0, 2, "PER"), (2, 6, "OLD")]


def test_earlier_entities_of_its_own_labels_stay(ner):
    assert ents_of(ner(make_doc((0, 1, "LOC")))) == [(0, 1, "LOC"), (3, 5, "LOC")]


def test_blocked_tokens_stay_blocked(ner):
    doc = ner(make_doc(blocked=[3]))
    assert (3, 5, "LOC") not in ents_of(doc)
    assert all(not start <= 3 < end for start, end, _ in ents_of(doc))
    assert doc.to_array(["ENT_IOB", "ENT_TYPE"])[3].tolist() == [3, 0]


def test_ids_survive(ner):
    doc = NLP.make_doc(TEXT)
    doc.ents = [Span(doc, 0, 2, "PER", kb_id="Q1", span_id="x")]
    doc = ner(doc)
    assert ents_of(doc) == GOLD
    assert (doc.ents[0].kb_id_, doc.ents[0].id_) == ("Q1", "x")


def test_overwrite_replaces_them(ner):
    ner.overwrite = True
    assert ents_of(ner(make_doc((2, 6, "OLD"), blocked=[0]))) == GOLD


def test_overwrite_leaves_no_ids_behind(ner):
    ner.overwrite = True
    doc = NLP.make_doc(TEXT)
    doc.ents = [Span(doc, 1, 4, "OLD", kb_id="Q1", span_id="x")]
    doc = ner(doc)
    assert ents_of(doc) == GOLD
    assert not any(token.ent_id or token.ent_kb_id for token in doc)
    assert not any(ent.id or ent.kb_id for ent in doc.ents)


def test_an_entity_ruler_before_it_is_kept():
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    ruler = nlp.add_pipe("entity_ruler")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    example = Example.from_dict(nlp.make_doc(TEXT), {"entities": GOLD})
    nlp.initialize(lambda: [example])
    for _ in range(40):
        nlp.update([example])
    ruler.add_patterns([{"label": "ORG", "pattern": "北京工作"}])
    assert (3, 7, "ORG") in ents_of(nlp(TEXT))


def test_given_entities_are_certain_and_never_dropped(ner):
    ner.spans_key, ner.threshold = "sc", 0.999999
    doc = ner(make_doc((2, 6, "OLD")))
    assert ents_of(doc) == [(2, 6, "OLD")]
    assert doc.spans["sc"].attrs["scores"].tolist() == [1.0]


def test_no_threshold_drops_given_entities_of_its_own_labels(ner):
    ner.threshold = 1.0
    assert ents_of(ner(make_doc((1, 3, "LOC"), (4, 5, "PER")))) == [
        (1, 3, "LOC"),
        (4, 5, "PER"),
    ]


def test_its_own_entities_are_given_the_second_time(ner):
    ner.spans_key = "sc"
    doc = ner(NLP.make_doc(TEXT))
    assert (doc.spans["sc"].attrs["scores"] < 1.0).all()
    assert ents_of(ner(doc)) == GOLD
    assert doc.spans["sc"].attrs["scores"].tolist() == [1.0, 1.0]
    ner.overwrite = True
    assert (ner(doc).spans["sc"].attrs["scores"] < 1.0).all()


def test_batches_with_and_without_presets_are_the_same(trained, ner):
    rng = random.Random(0)
    docs = [make_doc((i, i + 2, rng.choice(["LOC", "OLD"]))) for i in range(5)]
    docs[2:2] = [NLP.make_doc(TEXT), NLP.make_doc("")]
    copies = [doc.copy() for doc in docs]
    assert [ents_of(d) for d in ner.pipe(docs)] == [ents_of(ner(d)) for d in copies]


def test_they_do_not_enter_the_loss(trained):
    losses = []
    for doc in (NLP.make_doc(TEXT), make_doc((2, 6, "OLD"))):
        example = Example.from_dict(doc, {"entities": GOLD})
        fix_random_seed(0)
        losses.append(trained.get_pipe("ner").update([example])["ner"])
    assert losses[0] == losses[1]
