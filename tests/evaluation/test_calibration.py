import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.evaluation.calibration import fit_temperature, measure_reliability
from spacy_bilstm_crf.evaluation.judge import Judged, judge_entities, prepare

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
    """Too sure of itself, once the data contradict a third of what it knows."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    examples = make_examples(nlp, DATA)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return nlp


def fit(nlp, data):
    return fit_temperature(
        nlp.get_pipe("ner"), prepare(nlp, "ner", make_examples(nlp, data))
    )


def judged(*pairs):
    confidence, correct = zip(*pairs, strict=True) if pairs else ((), ())
    return Judged(numpy.array(confidence), numpy.array(correct, dtype=bool))


def test_bins_hold_mean_confidence_and_precision():
    found = measure_reliability(judged((0.62, 1), (0.68, 0), (0.05, 0), (1.0, 1)))
    assert [b.count for b in found.bins] == [1, 0, 0, 0, 0, 0, 2, 0, 0, 1]
    assert found.bins[6].confidence == pytest.approx(0.65)
    assert found.bins[6].precision == 0.5
    assert found.error == pytest.approx((2 * 0.15 + 0.05 + 0.0) / 4)


def test_no_entities_have_no_error():
    found = measure_reliability(judged())
    assert (found.error, found.log_loss) == (0.0, 0.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_error_is_a_mean_over_entities(pairs):
    found = measure_reliability(judged(*pairs))
    assert sum(b.count for b in found.bins) == len(pairs)
    assert 0.0 <= found.error <= 1.0
    assert found.log_loss >= 0.0


def test_temperature_that_fits_doubtful_data_is_high(trained):
    data = [*DATA, (DATA[0][0], [])]
    found = fit(trained, data)
    assert found.temperature > 1.2
    assert not found.at_limit
    assert found.after.log_loss < found.before.log_loss
    batches = prepare(trained, "ner", make_examples(trained, data))
    for other in (0.95 * found.temperature, 1.05 * found.temperature):
        near = judge_entities(trained.get_pipe("ner"), batches, other)
        assert measure_reliability(near).log_loss > found.after.log_loss


def test_figures_before_are_those_of_temperature_1(trained):
    batches = prepare(trained, "ner", make_examples(trained, DATA))
    plain = judge_entities(trained.get_pipe("ner"), batches, 1.0)
    found = fit(trained, DATA)
    assert found.before == measure_reliability(plain)
    assert found.judged.confidence.tolist() == plain.confidence.tolist()


@pytest.mark.parametrize(
    ("ents", "low", "high"),
    [(DATA[0][1], 0.25, 0.5), ([(5, 7, "PER")], 3.9, 4.0)],
    ids=["right", "wrong"],
)
def test_search_that_ends_at_its_limit_says_so(trained, ents, low, high):
    found = fit(trained, [(DATA[0][0], ents)] * 5)
    assert found.at_limit
    assert low <= found.temperature <= high


def test_no_entities_found_are_an_error(trained):
    with pytest.raises(ValueError, match="the component finds no entities"):
        fit(trained, [("今天天气很好", [(0, 2, "LOC")])])


def test_no_entities_left_are_an_error(trained):
    nlp = spacy.blank("zh")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PER", "pattern": "张 伟"}])
    nlp.add_pipe("ner", source=trained)
    ents = {"entities": ["U-PER", "-", "-", "-", "-", "-", "-"]}
    [eg] = make_examples(nlp, DATA[:1])
    eg = Example.from_dict(eg.predicted, ents)
    with pytest.raises(ValueError, match=r"1 were given .*, 1 have tokens without gold"):
        fit_temperature(nlp.get_pipe("ner"), prepare(nlp, "ner", [eg]))
