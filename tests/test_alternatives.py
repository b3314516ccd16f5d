"""More than the best path, through the component. That the probabilities are exact is
tested in tests/model/test_chain.py and tests/model/test_kbest.py."""

import random
import re

import numpy
import pytest
import spacy
from spacy.tokens import DocBin, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.query import Query
from spacy_bilstm_crf.tags import tag_names

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
NAMES = ["O", *(f"{p}-{label}" for label in ("LOC", "ORG", "PER") for p in "BILU")]


@pytest.fixture(scope="module", params=["crf", "softmax"])
def path(request, tmp_path_factory):
    """A pipeline that has learned a little, and is sure of nothing."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    model = {**MODEL, "decoder": request.param}
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": model})
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in TRAIN
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(12):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("alternatives") / "model"
    nlp.to_disk(path)
    return path


@pytest.fixture
def nlp(path):
    return load(path)


@pytest.fixture
def ner(nlp):
    return nlp.get_pipe("ner")


def load(path, **settings):
    return spacy.load(path, config={"components": {"ner": settings}})


def texts():
    rng = random.Random(0)
    alphabet = "".join(text for text, _ in TRAIN)
    return [
        "".join(rng.choice(alphabet) for _ in range(length))
        for length in [0, 1, 2, 9, 40, 0, 7] * 5
    ]


def spans_of(spans):
    return [(span.start, span.end, span.label_) for span in spans]


def scored(doc):
    scores = doc.spans["sc"].attrs["scores"].tolist()
    return dict(zip(spans_of(doc.spans["sc"]), scores, strict=True))


def test_the_best_analysis_is_that_of_the_pipeline(nlp, ner):
    docs = list(nlp.pipe(texts()))
    for doc, analyses in zip(docs, ner.alternatives(docs, top_k=3), strict=True):
        assert analyses[0].ents == spans_of(doc.ents)


def test_analyses_are_distinct_and_best_first(nlp, ner):
    docs = [nlp.make_doc(text) for text in texts()]
    for doc, analyses in zip(docs, ner.alternatives(docs, top_k=10), strict=True):
        # One token is outside or one of three labels, and no token is nothing.
        assert len(analyses) == {0: 1, 1: 4}.get(len(doc), 10)
        assert len({tuple(analysis.ents) for analysis in analyses}) == len(analyses)
        probabilities = [analysis.probability for analysis in analyses]
        assert probabilities == pytest.approx(sorted(probabilities, reverse=True))
        assert sum(probabilities) < 1.0 + 1e-5
        if len(doc) < 2:
            assert sum(probabilities) == pytest.approx(1.0, abs=1e-5)


def test_all_analyses_of_two_tokens_add_up(nlp, ner):
    # Four ways for each token, and three for both.
    [analyses] = ner.alternatives([nlp.make_doc("南京")], top_k=100)
    assert len(analyses) == 4 * 4 + 3
    assert sum(a.probability for a in analyses) == pytest.approx(1.0, abs=1e-5)


def test_alternatives_are_of_five_by_default(nlp, ner):
    [analyses] = ner.alternatives([nlp.make_doc(TRAIN[0][0])])
    assert len(analyses) == 5


@pytest.mark.parametrize("top_k", [0, -1, 2.5, 2.0, True, "3", None])
def test_impossible_top_k_is_a_clear_error(ner, top_k):
    match = re.escape(f"top_k is {top_k!r}, expected a whole number")
    with pytest.raises(ValueError, match=match):
        ner.alternatives([], top_k=top_k)


def test_top_k_may_be_of_numpy(nlp, ner):
    doc = nlp.make_doc(TRAIN[0][0])
    assert ner.alternatives([doc], numpy.int64(2)) == ner.alternatives([doc], 2)


@pytest.mark.parametrize("ask", ["alternatives", "tag_marginals", "predict"])
def test_other_things_than_docs_are_clear_errors(nlp, ner, ask):
    for doc in (nlp.make_doc("王"), nlp.make_doc("")):
        with pytest.raises(ValueError, match=r"got one Doc: make it a list, \[doc\]"):
            getattr(ner, ask)(doc)
    for texts in (["王"], "王", [nlp.make_doc("王"), "王"]):
        with pytest.raises(ValueError, match="got '王' in it: make Docs of texts with nlp"):
            getattr(ner, ask)(texts)


def test_analyses_of_long_docs_have_a_logarithm(nlp, ner):
    ner.cfg["temperature"] = 5.0
    [analyses] = ner.alternatives([nlp.make_doc("京南张李" * 2000)], top_k=3)
    assert analyses[0].probability == 0.0
    logs = [analysis.log_probability for analysis in analyses]
    assert -1e6 < logs[2] < logs[1] < logs[0] < -800.0


def test_the_logarithm_is_that_of_the_probability(nlp, ner):
    for text in ("", "王", TRAIN[0][0]):
        for analysis in ner.alternatives([nlp.make_doc(text)], top_k=3)[0]:
            assert numpy.exp(analysis.log_probability) == analysis.probability <= 1.0


def test_entities_of_the_docs_do_not_count(nlp, ner):
    fresh, seen = nlp.make_doc(TRAIN[0][0]), nlp(TRAIN[0][0])
    seen.set_ents([Span(seen, 1, 4, "ORG")])
    assert ner.alternatives([fresh]) == ner.alternatives([seen])
    assert numpy.array_equal(*ner.tag_marginals([fresh, seen]))
    assert spans_of(seen.ents) == [(1, 4, "ORG")]


def test_a_doc_does_not_depend_on_its_batch(nlp, ner):
    docs = [nlp.make_doc(text) for text in texts()]
    together = zip(docs, ner.alternatives(docs), ner.tag_marginals(docs), strict=True)
    for doc, analyses, marginals in together:
        [alone] = ner.alternatives([doc])
        assert [a.ents for a in alone] == [a.ents for a in analyses]
        numpy.testing.assert_allclose(
            [a.probability for a in alone], [a.probability for a in analyses], atol=1e-5
        )
        numpy.testing.assert_allclose(ner.tag_marginals([doc])[0], marginals, atol=1e-5)


def test_marginals_are_a_distribution_over_the_named_tags(nlp, ner):
    assert tag_names(ner.labels) == NAMES
    docs = [nlp.make_doc(text) for text in texts()]
    for doc, marginals in zip(docs, ner.tag_marginals(docs), strict=True):
        assert marginals.shape == (len(doc), len(NAMES))
        assert marginals.dtype == "float32"
        numpy.testing.assert_allclose(marginals.sum(1), 1.0, atol=1e-5)
    [analyses] = ner.alternatives([nlp.make_doc("王")], top_k=4)
    [[marginals]] = ner.tag_marginals([nlp.make_doc("王")])
    for analysis in analyses:
        name = f"U-{analysis.ents[0][2]}" if analysis.ents else "O"
        found = marginals[NAMES.index(name)]
        assert found == pytest.approx(analysis.probability, abs=1e-5)


def test_no_docs_have_no_answers(ner):
    assert ner.alternatives([]) == ner.tag_marginals([]) == []


def test_likely_spans_agree_with_the_analyses(path):
    nlp = load(path, spans_key="sc", min_probability=0.02)
    doc = nlp("南京")
    expected = {}
    for analysis in nlp.get_pipe("ner").alternatives([doc], top_k=100)[0]:
        for ent in analysis.ents:
            expected[ent] = expected.get(ent, 0.0) + analysis.probability
    likely = {ent: p for ent, p in expected.items() if p >= 0.02}
    assert scored(doc) == pytest.approx(likely, abs=1e-5)
    assert len(likely) > 2


def test_likely_spans_overlap_and_leave_the_entities_alone(path):
    plain = load(path, spans_key="sc")
    likely = load(path, spans_key="sc", min_probability=0.05)
    n_more = 0
    for text, doc in zip(texts(), likely.pipe(texts()), strict=True):
        expected = plain(text)
        assert spans_of(doc.ents) == spans_of(expected.ents)
        found = scored(doc)
        assert list(found) == sorted(found)
        assert all(score >= 0.05 for score in found.values())
        for ent, score in scored(expected).items():
            assert score < 0.05 + 1e-5 or found[ent] == pytest.approx(score, abs=1e-5)
        starts = [start for start, _, _ in found]
        n_more += len(starts) - len(set(starts))
    assert n_more > 10


def test_threshold_is_for_the_entities_alone(path):
    nlp = load(path, spans_key="sc", min_probability=0.05, threshold=0.4)
    plain = load(path, spans_key="sc", threshold=0.4)
    loose = load(path, spans_key="sc", min_probability=0.05)
    for text in texts():
        doc = nlp(text)
        assert spans_of(doc.ents) == spans_of(plain(text).ents)
        assert scored(doc) == scored(loose(text))


def test_likely_spans_do_not_depend_on_the_batch(path):
    nlp = load(path, spans_key="sc", min_probability=0.1)
    for text, doc in zip(texts(), nlp.pipe(texts(), batch_size=100), strict=True):
        alone = scored(nlp(text))
        for span in alone.keys() ^ scored(doc).keys():
            # Rounding decides about those at the limit.
            assert {**alone, **scored(doc)}[span] == pytest.approx(0.1, abs=1e-5)
        for span in alone.keys() & scored(doc).keys():
            assert scored(doc)[span] == pytest.approx(alone[span], abs=1e-5)


def test_likely_spans_survive_a_docbin(path):
    nlp = load(path, spans_key="sc", min_probability=0.01)
    doc = nlp(TRAIN[4][0])
    data = DocBin(docs=[doc]).to_bytes()
    [back] = DocBin().from_bytes(data).get_docs(nlp.vocab)
    assert scored(back) == scored(doc) != {}


def test_likely_spans_keep_to_the_presets(path):
    nlp = load(path, spans_key="sc", min_probability=0.01)
    doc = nlp.make_doc(TRAIN[0][0])
    doc.set_ents([Span(doc, 1, 4, "ORG"), Span(doc, 5, 7, "ELSE")])
    spans = scored(nlp(doc))
    assert spans[1, 4, "ORG"] == spans[5, 7, "ELSE"] == 1.0
    rest = set(spans) - {(1, 4, "ORG"), (5, 7, "ELSE")}
    assert rest
    assert all(end <= 1 or (start, end) == (4, 5) for start, end, _ in rest)


@pytest.mark.parametrize("want", ["paths", "tags"])
def test_a_query_keeps_to_the_allowed_tags(nlp, ner, want):
    doc = nlp.make_doc("张伟在")
    allowed = numpy.ones((3, len(NAMES)), dtype="bool")
    allowed[1] = numpy.array(NAMES) == "I-LOC"
    query = Query([doc], [allowed], temperature=1.0, want=want, top_k=2)
    [answer] = ner.model.predict(query)
    if want == "tags":
        numpy.testing.assert_allclose(answer.sum(1), 1.0, atol=1e-5)
        certain = [NAMES.index(name) for name in ("B-LOC", "I-LOC", "L-LOC")]
        numpy.testing.assert_allclose(answer[range(3), certain], 1.0, atol=1e-5)
    else:
        assert answer[:, 0].tolist() == [1, 2, 3]
        numpy.testing.assert_allclose(answer[:, 2], 0.0, atol=1e-5)
        assert (answer[:, 3] == -numpy.inf).all()


def test_temperature_reaches_all_probabilities(path):
    nlp = load(path, spans_key="sc", min_probability=0.01)
    ner, text = nlp.get_pipe("ner"), TRAIN[0][0]

    def ask():
        doc = nlp(text)
        return ner.alternatives([doc])[0][0].probability, ner.tag_marginals([doc])[0], doc

    best, marginals, doc = ask()
    ner.cfg["temperature"] = 3.0
    best_after, marginals_after, doc_after = ask()
    assert best_after < best
    assert marginals_after.max(1).mean() < marginals.max(1).mean()
    assert scored(doc_after) != scored(doc)


@pytest.mark.parametrize("minimum", [0.0, -0.1, 1.1])
def test_impossible_minimum_is_a_clear_error(path, minimum):
    with pytest.raises(ValueError, match=r"min_probability of 'ner'.*above 0"):
        load(path, spans_key="sc", min_probability=minimum)


def test_a_minimum_without_a_place_is_a_clear_error(path):
    with pytest.raises(ValueError, match="set its spans_key"):
        load(path, min_probability=0.1)


def test_before_initialization_is_a_clear_error():
    nlp = spacy.blank("zh")
    ner = nlp.add_pipe("bilstm_crf")
    for ask in (ner.alternatives, ner.tag_marginals):
        with pytest.raises(ValueError, match="E109"):
            ask([nlp.make_doc("王")])
