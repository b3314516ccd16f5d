from pathlib import Path

import numpy
import pytest
import spacy
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import fix_random_seed

from spacy_bilstm_crf.reading import list_ents, read_docs, read_text

ROOT = Path(__file__).parents[1]
TEXT = "张伟在北京工作"
PER, LOC = (0, 2, "PER"), (3, 5, "LOC")
MODEL = {"hidden_width": 16, "dropout": 0.1, "tok2vec": {"width": 8}}


@pytest.fixture(scope="module")
def saved():
    """A pipeline that has learned a little, as bytes."""
    fix_random_seed(0)
    nlp = make_pipeline()
    gold = {"entities": [PER, LOC]}
    examples = [Example.from_dict(nlp.make_doc(TEXT), gold)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    return nlp.to_bytes()


@pytest.fixture
def nlp(saved):
    return make_pipeline().from_bytes(saved)


def make_pipeline():
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    return nlp


def add_ruler(nlp, label="PER", **place):
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True}, **place)
    ruler.add_patterns([{"label": label, "pattern": "张 伟"}])


def test_confidence_is_that_of_the_component(nlp):
    found = read_text(nlp, TEXT)
    ner = nlp.get_pipe("ner")
    assert (ner.spans_key, dict(found.doc.spans)) == (None, {})
    ner.spans_key = "sc"
    doc = nlp(TEXT)
    assert found.ents == [PER, LOC] == list_ents(doc)
    scores = doc.spans["sc"].attrs["scores"].tolist()
    assert [found.confidence[ent] for ent in found.ents] == scores
    assert 0.5 < scores[0] < 1.0


def test_temperature_applies(nlp):
    before = read_text(nlp, TEXT).confidence
    nlp.get_pipe("ner").cfg["temperature"] = 3.0
    after = read_text(nlp, TEXT).confidence
    assert after[PER] < before[PER] - 0.01


def test_entities_that_are_given_have_none(nlp):
    add_ruler(nlp, before="ner")
    found = read_text(nlp, TEXT)
    assert found.ents == [PER, LOC]
    assert list(found.confidence) == [LOC]


def test_entities_that_are_overwritten_have_one(nlp):
    add_ruler(nlp, before="ner")
    nlp.get_pipe("ner").overwrite = True
    assert list(read_text(nlp, TEXT).confidence) == [PER, LOC]


def test_entities_of_later_components_have_none(nlp):
    add_ruler(nlp, "ORG", after="ner")
    found = read_text(nlp, TEXT)
    assert found.ents == [(0, 2, "ORG"), LOC]
    assert (0, 2, "ORG") not in found.confidence


def test_entities_below_the_threshold_that_a_rule_puts_back_have_none(nlp):
    add_ruler(nlp, after="ner")
    nlp.get_pipe("ner").threshold = 1.0
    found = read_text(nlp, TEXT)
    assert found.ents == [PER]
    assert not found.confidence


def test_a_second_component_leaves_the_confidence_of_the_first(saved):
    nlp = make_pipeline().from_bytes(saved)
    before = read_text(nlp, TEXT)
    nlp.add_pipe("ner", source=make_pipeline().from_bytes(saved), name="again")
    found = read_text(nlp, TEXT, top_k=2)
    assert found.confidence == before.confidence
    assert list(found.alternatives) == ["ner", "again"]


def test_tokens_may_be_joined_later(nlp):
    nlp.add_pipe("merge_entities")
    found = read_text(nlp, TEXT, top_k=1)
    assert len(found.doc) == 5
    assert list(found.confidence) == found.ents == [PER, LOC]
    assert found.alternatives["ner"][0].ents == [PER, LOC]


def test_alternatives_are_those_of_the_component(nlp):
    found = read_text(nlp, TEXT, top_k=3)
    [analyses] = nlp.get_pipe("ner").alternatives([nlp.make_doc(TEXT)], top_k=3)
    given = [(some.probability, some.ents) for some in analyses]
    # One token per character.
    assert [tuple(some) for some in found.alternatives["ner"]] == given
    assert not read_text(nlp, TEXT).alternatives


def test_tokens_are_not_characters():
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    text = "in New York"
    gold = {"entities": [(3, 11, "LOC")]}
    examples = [Example.from_dict(nlp.make_doc(text), gold)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    found = read_text(nlp, text, top_k=1)
    assert found.ents == list(found.confidence) == [(3, 11, "LOC")]
    assert found.alternatives["ner"][0].ents == [(3, 11, "LOC")]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "🎉", "שלום"])
def test_any_text(nlp, text):
    found = read_text(nlp, text, top_k=2)
    assert found.ents == list_ents(nlp(text))
    assert set(found.confidence) == set(found.ents)
    assert found.doc.text == text


def test_entities_of_a_component_without_confidence():
    nlp = spacy.blank("zh")
    add_ruler(nlp)
    assert read_text(nlp, TEXT)[1:] == ([PER], {}, {}, None)


def read_all(nlp, texts, **settings):
    return read_docs(nlp, [nlp.make_doc(text) for text in texts], **settings)


def test_many_docs_are_read_as_one_by_one(nlp, saved):
    nlp.add_pipe("ner", source=make_pipeline().from_bytes(saved), name="again")
    add_ruler(nlp, "ORG", after="ner")
    texts = [TEXT, "", "在", 30 * TEXT, "张伟", " "]
    together = read_all(nlp, texts, top_k=2)
    assert [reading.doc.text for reading in together] == texts
    for reading, text in zip(together, texts, strict=True):
        alone = read_text(nlp, text, top_k=2)
        assert reading.ents == alone.ents
        assert reading.confidence == pytest.approx(alone.confidence, abs=1e-5)
        assert list(reading.alternatives) == ["ner", "again"]
        for name, some in reading.alternatives.items():
            probabilities = [other.probability for other in alone.alternatives[name]]
            assert [one.probability for one in some] == pytest.approx(probabilities)
            assert [one.ents for one in some] == [
                other.ents for other in alone.alternatives[name]
            ]


def test_no_docs_have_no_readings(nlp):
    assert read_all(nlp, [], minimum=0.01) == []


def test_likely_spans_are_those_that_the_component_shows(nlp):
    texts = [TEXT, "李娜在上海", ""]
    readings = read_all(nlp, texts, minimum=0.02)
    ner = nlp.get_pipe("ner")
    assert (ner.spans_key, ner.min_probability) == (None, None)
    ner.spans_key, ner.min_probability = "sc", 0.02
    for reading, doc in zip(readings, nlp.pipe(texts), strict=True):
        spans = doc.spans["sc"]
        places = [(span.start_char, span.end_char, span.label_) for span in spans]
        scores = spans.attrs["scores"].tolist() if places else []
        expected = dict(zip(places, scores, strict=True))
        assert reading.likely == pytest.approx(expected, abs=1e-5)
        assert {*reading.ents} <= {*reading.likely}
    assert len(readings[0].likely) > len(readings[0].ents) == 2


def test_confidence_is_the_same_where_likely_spans_are_asked_for(nlp):
    [reading] = read_all(nlp, [TEXT], minimum=0.02)
    assert reading.confidence == pytest.approx(read_text(nlp, TEXT).confidence, abs=1e-5)


@pytest.mark.parametrize("minimum", [None, 0.3])
@pytest.mark.parametrize("threshold", [0.0, 0.9])
@pytest.mark.parametrize("shown", [None, 0.02])
def test_docs_are_annotated_as_by_the_pipeline(nlp, shown, threshold, minimum):
    # It is sure of one entity and not of the other.
    ner = nlp.get_pipe("ner")
    ner.spans_key, ner.min_probability, ner.threshold = "sc", shown, threshold
    ner.cfg["temperature"] = 2.0
    texts = [TEXT, "李娜在上海", ""]
    readings = read_all(nlp, texts, minimum=minimum)
    for reading, expected in zip(readings, nlp.pipe(texts), strict=True):
        assert reading.doc.to_json() == expected.to_json()
        numpy.testing.assert_array_equal(
            reading.doc.spans["sc"].attrs["scores"], expected.spans["sc"].attrs["scores"]
        )


def test_likely_spans_are_those_of_all_components(saved):
    nlp = make_pipeline().from_bytes(saved)
    [one] = read_all(nlp, [TEXT], minimum=0.02)
    again = nlp.add_pipe("ner", source=make_pipeline().from_bytes(saved), name="again")
    # It is so sure of itself that nothing else is likely, and has the last word.
    again.overwrite, again.cfg["temperature"] = True, 0.1
    [both] = read_all(nlp, [TEXT], minimum=0.02)
    assert {*one.ents} < {*one.likely} <= {*both.likely}
    assert both.likely[PER] > one.likely[PER] + 0.01


def test_without_such_a_component_nobody_knows_what_is_likely():
    nlp = spacy.blank("zh")
    add_ruler(nlp)
    assert [reading.likely for reading in read_all(nlp, [TEXT], minimum=0.02)] == [None]


def test_a_component_that_was_never_trained_is_a_clear_error():
    with pytest.raises(ValueError, match="E109"):
        read_text(make_pipeline(), TEXT)


def test_vectors_of_a_transformer_may_be_thrown_away(bert):
    settings = {"paths.transformer": str(bert), "components.ner.model.hidden_width": 8}
    config = load_config(ROOT / "configs" / "bert_crf.cfg", settings)
    fix_random_seed(0)
    nlp = load_model_from_config(config, auto_fill=True)
    gold = {"entities": [PER, LOC]}
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc(TEXT), gold)])
    found = read_text(nlp, TEXT, top_k=2)
    assert nlp.pipe_names[-1] == "doc_cleaner"
    assert not found.doc._.trf_data
    assert found.ents
    assert found.ents == list_ents(nlp(TEXT)) == list(found.confidence)
    assert len(found.alternatives["ner"]) == 2
