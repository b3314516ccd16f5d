"""Enumeration of all paths is the oracle. `path_probabilities` has a file of its own."""

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model import log_partition
from spacy_bilstm_crf.model.crf import LinearChainCRF
from spacy_bilstm_crf.model.softmax import Softmax
from spacy_bilstm_crf.span_search import find_likely_spans
from spacy_bilstm_crf.tags import find_spans, legal_tags

LEGAL = {n: tuple(map(torch.from_numpy, legal_tags(n))) for n in (1, 2)}


def make(decoder, num_labels, scale):
    if decoder == "softmax":
        return Softmax(1 + 4 * num_labels, legal=LEGAL[num_labels])
    model = LinearChainCRF(1 + 4 * num_labels, legal=LEGAL[num_labels])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return model


def enumerate_paths(emissions, start, transitions, end):
    """The possible paths of one sequence (T, K), with their probabilities."""
    paths = torch.arange(emissions.shape[1]).unsqueeze(1)
    scores = start + emissions[0]
    for step in emissions[1:]:
        more = scores.unsqueeze(1) + transitions[paths[:, -1]] + step
        which, tags = torch.nonzero(more > -torch.inf, as_tuple=True)
        paths = torch.cat((paths[which], tags.unsqueeze(1)), dim=1)
        scores = more[which, tags]
    scores = scores + end[paths[:, -1]]
    possible = scores > -torch.inf
    return paths[possible], scores[possible].softmax(0)


@st.composite
def problems(draw):
    """A decoder, emissions, a mask, a temperature, and for each sequence its paths."""
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    num_labels = draw(st.sampled_from([1, 2]))
    scale = draw(st.sampled_from([0.1, 1.0, 4.0]))
    temperature = draw(st.sampled_from([0.5, 1.0, 3.0]))
    known = draw(st.sampled_from([0.0, 0.3, 1.0]))
    torch.manual_seed(draw(st.integers(0, 99)))
    model = make(draw(st.sampled_from(["crf", "softmax"])), num_labels, scale)
    num_tags = 1 + 4 * num_labels
    mask = torch.arange(max(lengths)).unsqueeze(1) < torch.tensor(lengths)
    # Some tags are forbidden, but for those of a legal path.
    emissions = scale * torch.randn(*mask.shape, num_tags)
    path = model.best_tags(5.0 * torch.randn(*mask.shape, num_tags), mask)
    forbidden = torch.rand(emissions.shape) < 0.7
    forbidden &= torch.rand(mask.shape).unsqueeze(2) < known
    forbidden.scatter_(2, path.unsqueeze(2), False)
    emissions = emissions.masked_fill(forbidden, -torch.inf)
    scores = [x.detach().double() for x in model._tempered(emissions, temperature)]
    paths = [
        enumerate_paths(scores[0][:length, b], *scores[1:])
        for b, length in enumerate(lengths)
    ]
    return model, emissions, mask, temperature, paths


@pytest.fixture(params=["probability space", "log space"])
def space(request, monkeypatch):
    if request.param == "log space":
        monkeypatch.setattr(log_partition, "MAX_SPREAD", -1.0)


def expected_spans(paths, probabilities):
    found = {}
    for path, p in zip(paths, probabilities.tolist(), strict=True):
        for span in zip(*(x.tolist() for x in find_spans(path.numpy())), strict=True):
            found[span] = found.get(span, 0.0) + p
    return found


def test_tag_marginals_equal_enumeration(space):
    @given(problem=problems())
    def check(problem):
        model, emissions, mask, temperature, expected = problem
        found = model.tag_marginals(emissions, mask, temperature)
        torch.testing.assert_close(found.sum(-1), mask.float(), atol=1e-5, rtol=0.0)
        for b, (paths, p) in enumerate(expected):
            for t in range(paths.shape[1]):
                exact = torch.zeros(emissions.shape[2]).double()
                exact.index_add_(0, paths[:, t], p)
                torch.testing.assert_close(found[t, b].double(), exact, atol=1e-5, rtol=0.0)

    check()


@pytest.mark.parametrize("minimum", [1e-6, 0.05, 0.5])
def test_likely_spans_equal_enumeration(space, minimum):
    @given(problem=problems())
    def check(problem):
        model, emissions, mask, temperature, expected = problem
        best = model.best_tags(emissions, mask)
        chain = model.span_chain(emissions, mask, best, temperature)[..., 2:]
        for b, (paths, p) in enumerate(expected):
            exact = expected_spans(paths, p)
            flat = chain[: paths.shape[1], b].numpy()
            spans, probabilities = find_likely_spans(flat, minimum)
            found = list(zip(*(x.tolist() for x in spans), strict=True))
            assert found == sorted(found)
            for span, probability in zip(found, probabilities.tolist(), strict=True):
                assert probability == pytest.approx(exact[span], abs=1e-5)
            # No span is missing, unless it lies at the limit.
            missing = [exact[span] for span in exact if span not in set(found)]
            assert max(missing, default=0.0) <= minimum + 1e-5

    check()


@given(problem=problems())
def test_docs_laid_end_to_end_do_not_share_spans(problem):
    model, emissions, mask, temperature, _ = problem
    best = model.best_tags(emissions, mask)
    chain = model.span_chain(emissions, mask, best, temperature)[..., 2:]
    lengths = mask.sum(0).tolist()
    pieces = [chain[:length, b].numpy() for b, length in enumerate(lengths)]
    together, p_together = find_likely_spans(numpy.concatenate(pieces), 0.01)
    offset, alone, p_alone = 0, [], []
    for piece in pieces:
        spans, p = find_likely_spans(piece, 0.01)
        alone += zip(spans.starts + offset, spans.ends + offset, spans.labels, strict=True)
        p_alone += p.tolist()
        offset += len(piece)
    assert list(zip(*together, strict=True)) == alone
    assert p_together.tolist() == p_alone


@given(problem=problems())
def test_the_chain_begins_with_the_path(problem):
    model, emissions, mask, temperature, _ = problem
    best = model.best_tags(emissions, mask)
    chain = model.span_chain(emissions, mask, best, temperature)
    expected = model.path_probabilities(emissions, mask, best, temperature)
    torch.testing.assert_close(chain[..., 0][mask], expected[..., 0][mask])
    later = mask[1:]
    torch.testing.assert_close(chain[1:, :, 1][later], expected[1:, :, 1][later])


def test_no_span_of_an_empty_batch():
    spans, p = find_likely_spans(numpy.zeros((0, 12), dtype="float32"), 0.5)
    assert len(spans.starts) == len(p) == 0
