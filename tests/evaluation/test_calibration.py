import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_bilstm_crf.cli.calibrate import find_component
from spacy_bilstm_crf.evaluation.calibration import (
    Judged,
    fit_temperature,
    judge_entities,
    measure_reliability,
    prepare,
)

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
    """Too sure of itself: the data to calibrate on contradicts a third of what it knows."""
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
def doubtful(trained):
    return prepare(trained, "ner", make_examples(trained, [*DATA, (DATA[0][0], [])]))


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


def test_entities_are_judged_by_place_and_label(trained):
    wrong = [(DATA[0][0], [(0, 2, "LOC"), (3, 5, "LOC")]), (DATA[1][0], [])]
    examples = prepare(trained, "ner", make_examples(trained, wrong))
    confidence, correct = judge_entities(trained, "ner", examples, 1.0)
    assert correct.tolist() == [False, True, False, False]
    assert (confidence > 0.5).all()


def test_temperature_that_fits_doubtful_data_is_high(trained, doubtful):
    temperature, before, after = fit_temperature(trained, "ner", doubtful)
    assert temperature > 1.2
    assert after.log_loss < before.log_loss
    for other in (0.8 * temperature, 1.25 * temperature):
        near = measure_reliability(judge_entities(trained, "ner", doubtful, other))
        assert near.log_loss >= after.log_loss


def test_components_before_it_run_and_it_does_not(trained):
    nlp = spacy.blank("zh")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner", source=trained)
    [example] = prepare(nlp, "ner", make_examples(nlp, DATA[:1]))
    assert example.predicted.has_annotation("SENT_START")
    assert not example.predicted.ents
    assert len(example.reference.ents) == 2


@pytest.fixture
def run(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    docs = [eg.reference for eg in make_examples(trained, [*DATA, (DATA[0][0], [])])]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")

    def invoke(*args):
        command = ["bilstm-crf", "calibrate", *map(str, args)]
        result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
        return result.exit_code, " ".join(result.output.split())

    return invoke


def test_command_shows_and_saves(run, tmp_path):
    model, data, output = (tmp_path / name for name in ("model", "dev.spacy", "a/b"))
    code, shown = run(model, data, "--output", output)
    assert code == 0, shown
    assert shown.count("Expected calibration error") == 2
    assert spacy.load(output).get_pipe("ner").cfg["temperature"] > 1.2


def test_the_component_is_found_by_its_factory(trained):
    nlp = spacy.blank("zh")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner", source=trained, name="people")
    assert find_component(nlp) == "people"
    nlp.add_pipe("ner", source=trained, name="places")
    with pytest.raises(ValueError, match="2 components"):
        find_component(nlp)


def test_other_pipelines_are_a_clear_error(run, tmp_path):
    spacy.blank("zh").to_disk(tmp_path / "other")
    code, shown = run(tmp_path / "other", tmp_path / "dev.spacy")
    assert code == 1
    assert "has 0 components of the factory bilstm_crf" in shown
