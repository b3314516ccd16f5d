import numpy
import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import PyTorchWrapper, fix_random_seed

from spacy_bilstm_crf.model.transitions import read_transitions
from spacy_bilstm_crf.tags import tag_names

NAMES = ["O", "B-PER", "I-PER", "L-PER", "U-PER"]
# Which may follow which. A text begins as after O, and ends as before it.
LEGAL = [
    [True, True, False, False, True],
    [False, False, True, True, False],
    [False, False, True, True, False],
    [True, True, False, False, True],
    [True, True, False, False, True],
]


@pytest.fixture(params=["crf", "softmax"])
def ner(request):
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    model = {"hidden_width": 8, "decoder": request.param, "tok2vec": {"width": 4}}
    ner = nlp.add_pipe("bilstm_crf", config={"model": model})
    eg = Example.from_dict(nlp.make_doc("张伟在"), {"entities": [(0, 2, "PER")]})
    nlp.initialize(lambda: [eg])
    return ner


def read(ner):
    return read_transitions(ner.model, tag_names(ner.labels))


@pytest.mark.parametrize("ner", ["crf"], indirect=True)
def test_the_scores_are_those_of_the_crf(ner):
    found = read(ner)
    assert found.tags == NAMES
    [shim] = ner.model.shims
    crf = shim.network.decoder
    for scores, parameter in (
        (found.start, crf.start_transitions),
        (found.transitions, crf.transitions),
        (found.end, crf.end_transitions),
    ):
        expected = parameter.detach().numpy()
        legal = numpy.isfinite(scores)
        assert scores.shape == expected.shape
        numpy.testing.assert_array_equal(scores[legal], expected[legal])
        assert numpy.unique(scores[legal]).size > 1


@pytest.mark.parametrize("ner", ["crf"], indirect=True)
def test_illegal_ones_are_minus_infinity(ner):
    found = read(ner)
    for scores, legal in (
        (found.start, LEGAL[0]),
        (found.transitions, LEGAL),
        (found.end, [row[0] for row in LEGAL]),
    ):
        numpy.testing.assert_array_equal(scores > -numpy.inf, legal)


@pytest.mark.parametrize("ner", ["softmax"], indirect=True)
def test_without_a_crf_there_are_none(ner):
    assert read(ner) is None


def test_another_network_has_none():
    assert read_transitions(PyTorchWrapper(torch.nn.Linear(2, 2)), NAMES) is None
