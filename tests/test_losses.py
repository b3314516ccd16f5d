import numpy
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam

from spacy_bilstm_crf.losses import LossError, require_finite

TEXTS = ("张伟在北京工作", "李娜住在上海" * 10, "好")


@pytest.fixture
def nlp():
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": {"hidden_width": 4}})
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


def make_examples(nlp):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": [(0, 1, "PER")]})
        for text in TEXTS
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_text_whose_loss_is_no_number_is_shown(nlp, value):
    scores = numpy.array([1.0, float(value), float(value)])
    message = (
        f"the loss of 'ner' is {value} on a batch of 3 texts, and {value} on "
        "'李娜住在上海李娜住在上海李娜住在上海李娜' \\(60 tokens\\): lower learn_rate"
    )
    with pytest.raises(LossError, match=message):
        require_finite("ner", float(scores.sum()), make_examples(nlp), scores)


def test_losses_that_are_finite_may_be_large(nlp):
    require_finite("ner", 1e300, make_examples(nlp), numpy.array([1.0, 1e300, 0.0]))


def test_a_sum_that_is_infinite_is_an_error_too(nlp):
    scores = numpy.array([1e38, 3e38, 0.0], dtype="float32")
    with pytest.raises(LossError, match=r"is inf on .*, and 3e\+38 on '李娜"):
        require_finite("ner", float("inf"), make_examples(nlp), scores)


def test_an_update_with_such_a_loss_changes_nothing(nlp):
    ner, optimizer = nlp.get_pipe("ner"), Adam(0.1)
    nlp.update(make_examples(nlp), sgd=optimizer)
    before = ner.model.to_bytes()
    ner.model.layers[0].get_param("E")[:] = numpy.nan
    with pytest.raises(LossError):
        nlp.update(make_examples(nlp), sgd=optimizer)
    with pytest.raises(LossError):
        nlp.update(make_examples(nlp), sgd=optimizer)
    fresh = ner.model.copy()
    fresh.from_bytes(before)
    ours, theirs = (m.shims[0].network.state_dict() for m in (ner.model, fresh))
    for name, value in ours.items():
        assert value.equal(theirs[name]), name
        assert value.isfinite().all()
