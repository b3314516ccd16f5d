"""Confidence through the component. That it is the exact probability of a span is tested
in tests/model/test_path_probabilities.py."""

import random

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.cli.find_threshold import find_threshold
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.tags import FlatSpans, span_confidence

TRAIN = [
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


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A pipeline that has learned a little, and is sure of nothing."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(12):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("confidence") / "model"
    nlp.to_disk(path)
    return path


def make_examples(nlp):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in TRAIN
    ]


def load(path, **settings):
    return spacy.load(path, config={"components": {"ner": settings}})


def texts():
    rng = random.Random(0)
    alphabet = "".join(text for text, _ in TRAIN)
    return [
        "".join(rng.choice(alphabet) for _ in range(length))
        for length in [0, 1, 2, 9, 40, 0, 7] * 5
    ]


def ents_of(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def scores_of(doc):
    return doc.spans["sc"].attrs["scores"]


def test_it_is_off_by_default(path):
    nlp = load(path)
    doc = nlp(TRAIN[0][0])
    assert not doc.spans
    assert nlp.get_pipe("ner").predict([doc])[0].shape == (len(doc),)


def test_every_entity_has_a_confidence_and_nothing_else_changes(path):
    plain, sure = load(path), load(path, spans_key="sc")
    found = []
    for text, doc in zip(texts(), sure.pipe(texts()), strict=True):
        assert ents_of(doc) == ents_of(plain(text))
        assert [(s.start, s.end, s.label_) for s in doc.spans["sc"]] == ents_of(doc)
        assert scores_of(doc).shape == (len(doc.ents),)
        found.extend(scores_of(doc).tolist())
    assert len(found) > 10
    assert 0.0 < min(found) < 0.1 < max(found) < 1.0


def test_it_does_not_depend_on_the_batch(path):
    nlp = load(path, spans_key="sc")
    for text, doc in zip(texts(), nlp.pipe(texts(), batch_size=100), strict=True):
        numpy.testing.assert_allclose(scores_of(nlp(text)), scores_of(doc), atol=1e-5)


def test_it_survives_a_docbin(path):
    nlp = load(path, spans_key="sc")
    doc = nlp(TRAIN[0][0])
    data = DocBin(docs=[doc]).to_bytes()
    [back] = DocBin().from_bytes(data).get_docs(nlp.vocab)
    assert scores_of(back).tolist() == scores_of(doc).tolist() != []


def test_threshold_drops_what_is_less_sure(path):
    everything = load(path, spans_key="sc")
    some = load(path, spans_key="sc", threshold=0.4)
    ents_only = load(path, threshold=0.4)
    n_dropped = 0
    for text in texts():
        doc = everything(text)
        kept = [
            ent
            for ent, score in zip(ents_of(doc), scores_of(doc), strict=True)
            if score >= 0.4
        ]
        n_dropped += len(doc.ents) - len(kept)
        assert ents_of(some(text)) == ents_of(ents_only(text)) == kept
        assert len(scores_of(some(text))) == len(kept)
    assert n_dropped > 5


def test_no_docs_and_empty_ones_have_nothing_to_drop(path):
    nlp = load(path, threshold=0.4)
    assert nlp.get_pipe("ner").predict([]) == []
    assert [ents_of(doc) for doc in nlp.pipe(["", ""])] == [[], []]


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_impossible_threshold_is_a_clear_error(path, threshold):
    with pytest.raises(ValueError, match="from 0 to 1"):
        load(path, threshold=threshold)


def test_spacy_finds_a_threshold(path, tmp_path, capsys):
    nlp = load(path)
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(tmp_path / "x.spacy")
    best, _, scores = find_threshold(
        str(path),
        tmp_path / "x.spacy",
        pipe_name="ner",
        threshold_key="threshold",
        scores_key="ents_f",
        n_trials=5,
    )
    assert len(set(scores.values())) > 1
    assert best in scores


def test_temperature_is_saved_and_makes_it_less_sure(path, tmp_path):
    nlp = load(path, spans_key="sc")
    before = scores_of(nlp(TRAIN[0][0]))
    nlp.get_pipe("ner").cfg["temperature"] = 2.0
    nlp.to_disk(tmp_path)
    doc = spacy.load(tmp_path)(TRAIN[0][0])
    assert ents_of(doc) == ents_of(nlp(TRAIN[0][0]))
    assert (scores_of(doc) < before).all()


def test_pipelines_saved_without_a_temperature_load(path, tmp_path):
    nlp = load(path, spans_key="sc")
    del nlp.get_pipe("ner").cfg["temperature"]
    nlp.to_disk(tmp_path)
    assert len(scores_of(spacy.load(tmp_path)(TRAIN[0][0])))


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), max_size=6))
def test_confidence_of_spans_is_a_product(lengths_and_gaps):
    starts, ends, place = [], [], 0
    for length, gap in lengths_and_gaps:
        starts.append(place + gap)
        place += gap + length
        ends.append(place)
    first, following = numpy.random.default_rng(0).random((2, place), dtype="float32")
    spans = FlatSpans(*(numpy.array(x, dtype="int64") for x in (starts, ends, starts)))
    expected = [
        first[i] * following[i + 1 : j].prod() for i, j in zip(starts, ends, strict=True)
    ]
    numpy.testing.assert_allclose(
        span_confidence(spans, first, following), expected, rtol=1e-5
    )
