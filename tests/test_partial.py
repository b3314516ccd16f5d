"""Gold annotation that is missing, and spans that are known to be no entities. That their
loss is exact is tested in tests/model/test_crf.py and test_span_penalty.py."""

import random
import warnings

import numpy
import pytest
import spacy
from spacy.cli.train import train as spacy_train
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from thinc.api import Adam, fix_random_seed

from spacy_bilstm_crf.incorrect_spans import incorrect_spans
from spacy_bilstm_crf.model import architecture
from spacy_bilstm_crf.query import Query
from spacy_bilstm_crf.tags import ANY_LABEL, count_tags

MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 16,
    "dropout": 0.0,
    "adversarial_norm": 0.0,
    "tok2vec": {
        "@architectures": "spacy-bilstm-crf.NgramEmbed.v1",
        "width": 16,
        "dropout": [0.0, 0.0],
        "singleton_dropout": 0.0,
    },
}
TRAIN = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("王", [(0, 1, "PER")]),
    ("他去了南京大学读书", [(3, 7, "ORG")]),
]
TEXT, GOLD = TRAIN[0]


def make_nlp(**model):
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    settings = {"incorrect_spans_key": "wrong", "model": {**MODEL, **model}}
    nlp.add_pipe("bilstm_crf", name="ner", config=settings)
    return nlp


def make_doc(nlp, text=TEXT, ents=(), missing=(), wrong=(), default="outside"):
    doc = nlp.make_doc(text)
    ents = [Span(doc, *ent) for ent in ents]
    doc.set_ents(ents, missing=[doc[i:j] for i, j in missing], default=default)
    if wrong:
        doc.spans["wrong"] = [Span(doc, *span) for span in wrong]
    return doc


def make_example(nlp, *args, **kwargs):
    reference = make_doc(nlp, *args, **kwargs)
    return Example(nlp.make_doc(reference.text), reference)


def learn(nlp, examples, steps, *, rate=0.02):
    # Without decay, which moves weights that nothing is learned by.
    optimizer = Adam(rate, L2=0.0)
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer)
    return losses["ner"]


def make_trained(**model):
    nlp = make_nlp(**model)
    examples = [make_example(nlp, *row) for row in TRAIN]
    nlp.initialize(lambda: examples)
    learn(nlp, examples, 40)
    assert ents_of(nlp(TEXT)) == GOLD
    return nlp


def loss_of(nlp, examples):
    """The loss, and its gradient for each weight."""
    ner = nlp.get_pipe("ner")
    loss = ner.update(examples)["ner"]
    parameters = list(ner.model.shims[0].network.parameters())
    gradients = [parameter.grad.numpy() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    return [loss, *gradients]


def ents_of(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def weights_of(nlp):
    return nlp.get_pipe("ner").model.to_bytes()


def test_docs_without_annotation_teach_nothing():
    nlp = make_trained()
    before = weights_of(nlp)
    assert learn(nlp, [make_example(nlp, default="missing")] * 3, 2) == 0.0
    assert weights_of(nlp) == before


def test_docs_without_annotation_change_nothing_in_a_batch():
    nlp = make_trained()
    examples = [make_example(nlp, *row) for row in TRAIN]
    blank = [
        make_example(nlp, text, default="missing") for text in ("去北京", "", "王" * 9)
    ]
    alone, among = loss_of(nlp, examples), loss_of(nlp, [*blank, *examples, *blank])
    assert alone[0] > 0.0
    for a, b in zip(alone, among, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_half_annotated_docs_teach_the_whole():
    """Each Doc lacks one of its halves, and the model learns both."""
    nlp = make_nlp()
    examples = [
        make_example(nlp, TEXT, GOLD[:1], missing=[(3, 7)]),
        make_example(nlp, TEXT, GOLD[1:], missing=[(0, 3)]),
        *(make_example(nlp, *row) for row in TRAIN[2:]),
    ]
    nlp.initialize(lambda: examples)
    learn(nlp, examples, 40)
    assert ents_of(nlp(TEXT)) == GOLD


def test_initialize_finds_the_labels_of_half_annotated_docs():
    nlp = make_nlp()
    examples = [
        make_example(nlp, TEXT, default="missing"),
        make_example(nlp, TEXT, GOLD[1:], default="missing", wrong=[(0, 2, "ORG")]),
    ]
    nlp.initialize(lambda: examples)
    # What is only known to be wrong is nothing to predict.
    assert nlp.get_pipe("ner").labels == ("LOC",)


def test_missing_annotation_goes_through_spacy_train(tmp_path):
    nlp = make_nlp()
    docs = [make_doc(nlp, *row) for row in TRAIN] * 3
    docs += [make_doc(nlp, TEXT, GOLD[:1], missing=[(3, 7)], wrong=[(5, 7, "LOC")])]
    docs += [make_doc(nlp, "北京很好", default="missing")]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    nlp.config.to_disk(tmp_path / "config.cfg")
    path = str(tmp_path / "train.spacy")
    overrides = {
        "paths.train": path,
        "paths.dev": path,
        "training.max_steps": 40,
        "training.eval_frequency": 20,
        "training.optimizer.learn_rate": 0.02,
    }
    spacy_train(tmp_path / "config.cfg", tmp_path / "model", overrides=overrides)
    trained = spacy.load(tmp_path / "model" / "model-last")
    assert trained.get_pipe("ner").incorrect_spans_key == "wrong"
    # The scorer leaves out what is not annotated: 北京 is wrong nowhere.
    scores = trained.evaluate(list(Corpus(path)(trained)))
    assert scores["ents_f"] == 1.0


def test_spacy_scores_only_what_is_annotated():
    nlp = make_trained()
    nothing = nlp.evaluate([make_example(nlp, default="missing")])
    assert nothing["ents_f"] is None
    half = nlp.evaluate([make_example(nlp, TEXT, GOLD[:1], missing=[(3, 7)])])
    assert (half["ents_p"], half["ents_r"]) == (1.0, 1.0)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("label", ["PER", ""])
def test_a_model_told_that_a_span_is_wrong_stops_predicting_it(decoder, label):
    nlp = make_trained(decoder=decoder)
    told = make_example(nlp, TEXT, default="missing", wrong=[(0, 2, label)])
    assert (0, 2, "PER") in ents_of(nlp(TEXT))
    assert any(learn(nlp, [told], 1, rate=0.003) < 0.5 for _ in range(100))
    found = ents_of(nlp(TEXT))
    assert (0, 2) not in [ent[:2] for ent in found]
    assert GOLD[1] in found


def test_a_wrong_label_leaves_room_for_another():
    nlp = make_trained()
    told = make_example(nlp, TEXT, default="missing", wrong=[(0, 2, "PER"), (0, 2, "LOC")])
    loss, *_ = loss_of(nlp, [told])
    told.reference.spans["wrong"] = [Span(told.reference, 0, 2, "")]
    assert loss_of(nlp, [told])[0] > loss


def query_of(nlp, examples):
    labels = nlp.get_pipe("ner").labels
    allowed = [
        numpy.ones((len(eg.predicted), count_tags(len(labels))), dtype="bool")
        for eg in examples
    ]
    incorrect = incorrect_spans(examples, "wrong", labels)
    return Query([eg.predicted for eg in examples], allowed, incorrect=incorrect)


def test_wrong_spans_count_for_their_own_doc():
    """Whatever the order and the sub-batches that the Docs run in."""
    nlp = make_trained()
    rng = random.Random(0)
    examples = []
    for length in [0, 3, 700, 1, 9, 40, 0, 7, 900, 2, 6] * 3:
        text = "".join(rng.choice(TEXT) for _ in range(length))
        starts = [
            rng.randrange(length) for _ in range(rng.choice([0, 1, 3]) if length else 0)
        ]
        wrong = [
            (i, min(length, i + rng.randint(1, 4)), rng.choice(["PER", "LOC", ""]))
            for i in starts
        ]
        examples.append(make_example(nlp, text, default="missing", wrong=wrong))
    model = nlp.get_pipe("ner").model
    together, _ = model.begin_update(query_of(nlp, examples))
    alone = [model.begin_update(query_of(nlp, [eg]))[0][0] for eg in examples]
    numpy.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5)
    told = ["wrong" in eg.reference.spans for eg in examples]
    assert 5 < sum(told) < len(told)
    assert (together > 0.0).tolist() == told


def test_wrong_spans_stay_with_their_doc_in_the_adversarial_pass(monkeypatch):
    """It comes when all sub-batches have been through the first one."""
    nlp = make_trained(adversarial_norm=0.5)
    data = [
        (TEXT, [(0, 2, "PER")]),
        ("李娜住在上海", [(4, 6, "LOC"), (0, 2, "")]),
        ("王", []),
    ]
    examples = [
        make_example(nlp, text, default="missing", wrong=wrong) for text, wrong in data
    ]
    monkeypatch.setattr(architecture, "PADDED_TOKENS", 1)
    together = loss_of(nlp, examples)
    alone = [loss_of(nlp, [eg]) for eg in examples[:2]]
    for total, *parts in zip(together, *alone, strict=True):
        numpy.testing.assert_allclose(total, sum(parts), rtol=1e-3, atol=1e-5)


def test_wrong_spans_join_the_loss_of_the_gold_annotation():
    nlp = make_trained()
    gold = make_example(nlp, TEXT, GOLD[:1], missing=[(3, 7)])
    wrong = make_example(nlp, TEXT, default="missing", wrong=[(3, 5, "LOC"), (3, 5, "")])
    both = make_example(
        nlp, TEXT, GOLD[:1], missing=[(3, 7)], wrong=[(3, 5, "LOC"), (3, 5, "")]
    )
    for a, b, total in zip(
        *(loss_of(nlp, [eg]) for eg in (gold, wrong, both)), strict=True
    ):
        numpy.testing.assert_allclose(a + b, total, rtol=1e-3, atol=1e-5)


def test_wrong_spans_are_ignored_without_a_key():
    nlp = make_trained()
    nlp.get_pipe("ner").incorrect_spans_key = None
    told = make_example(nlp, TEXT, default="missing", wrong=[(0, 2, "PER")])
    assert nlp.get_pipe("ner").update([told])["ner"] == 0.0


def read(nlp, eg):
    found = incorrect_spans([eg], "wrong", ["LOC", "PER"])
    return found if found is None else found[0].tolist()


def test_wrong_spans_are_read_in_tokens_of_the_predicted_doc():
    nlp = spacy.blank("en")
    reference = Doc(nlp.vocab, words=["New", "York", "City", "is", "big"])
    places = [(2, 3, "PER"), (0, 2, ""), (0, 2, "LOC"), (0, 2, "LOC")]
    reference.spans["wrong"] = [Span(reference, *place) for place in places]
    predicted = Doc(nlp.vocab, words=["New", "Yo", "rk", "City", "is", "big"])
    assert read(nlp, Example(predicted, reference)) == [
        [0, 3, ANY_LABEL],
        [0, 3, 0],
        [3, 4, 1],
    ]


def test_docs_without_wrong_spans_need_none():
    nlp = spacy.blank("zh")
    assert read(nlp, make_example(nlp, TEXT)) is None
    eg = make_example(nlp, TEXT)
    eg.reference.spans["wrong"] = []
    assert read(nlp, eg) is None


def test_wrong_spans_that_do_not_fit_are_skipped_and_said_once():
    nlp = spacy.blank("en")
    reference = Doc(nlp.vocab, words=["New", "York", "City"])
    reference.spans["wrong"] = [Span(reference, 0, 1, "LOC"), Span(reference, 2, 3, "PER")]
    predicted = Doc(nlp.vocab, words=["NewYork", "City"])
    eg = Example(predicted, reference)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(3):
            assert read(nlp, eg) == [[1, 2, 1]]
    assert len(shown) == 1
    assert "do not fit the tokens" in str(shown[0].message)


def test_wrong_spans_of_unknown_labels_are_skipped_and_said_once():
    nlp = spacy.blank("zh")
    eg = make_example(nlp, TEXT, wrong=[(0, 2, "CITY"), (3, 5, "CITY")])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(3):
            assert read(nlp, eg) is None
    assert ["'CITY'" in str(warning.message) for warning in shown] == [True]


def test_wrong_spans_that_gold_entities_rule_out_are_no_conflict():
    nlp = make_trained()
    wrong = [(0, 2, "LOC"), (0, 1, ""), (1, 2, "PER"), (2, 3, "")]
    assert read(nlp, make_example(nlp, TEXT, GOLD, wrong=wrong)) is not None


@pytest.mark.parametrize("label", ["PER", ""])
def test_an_entity_that_is_wrong_too_is_a_clear_error(label):
    nlp = make_trained()
    eg = make_example(nlp, TEXT, GOLD, wrong=[(0, 2, label)])
    with pytest.raises(ValueError, match="conflicting gold annotation"):
        nlp.update([eg])
