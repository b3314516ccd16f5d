"""Enumeration of all paths is the oracle."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model.crf import LinearChainCRF
from spacy_bilstm_crf.model.kbest import kbest
from spacy_bilstm_crf.model.log_partition import log_partition
from spacy_bilstm_crf.model.softmax import Softmax
from spacy_bilstm_crf.tags import legal_tags

LEGAL = {n: tuple(map(torch.from_numpy, legal_tags(n))) for n in (0, 1, 2)}


def make_crf(num_labels, scale=1.0):
    crf = LinearChainCRF(1 + 4 * num_labels, legal=LEGAL[num_labels])
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return crf


def prefix_mask(lengths):
    return torch.arange(max(lengths)).unsqueeze(1) < torch.tensor(lengths)


def random_legal_path(legal, num_steps):
    """Emissions that lead the best path of a random CRF are a random path."""
    crf = LinearChainCRF(len(legal[0]), legal=legal)
    emissions = 5.0 * torch.randn(num_steps, 1, len(legal[0]))
    return crf.best_tags(emissions, torch.ones(num_steps, 1).bool())[:, 0]


def enumerate_paths(emissions, start, transitions, end):
    """The possible paths of one sequence (T, K) and their scores, in float64."""
    emissions, start, transitions, end = (
        x.detach().double() for x in (emissions, start, transitions, end)
    )
    paths = torch.arange(emissions.shape[1]).unsqueeze(1)
    scores = start + emissions[0]
    for step in emissions[1:]:
        more = scores.unsqueeze(1) + transitions[paths[:, -1]] + step
        which, tags = torch.nonzero(more > -torch.inf, as_tuple=True)
        paths = torch.cat((paths[which], tags.unsqueeze(1)), dim=1)
        scores = more[which, tags]
    scores = scores + end[paths[:, -1]]
    possible = scores > -torch.inf
    return paths[possible], scores[possible]


@st.composite
def problems(draw, scales=(0.1, 1.0, 4.0)):
    """Emissions, the scores of a CRF, and a mask."""
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    num_labels = draw(st.integers(0, 2))
    scale = draw(st.sampled_from(scales))
    known = draw(st.sampled_from([0.0, 0.3, 1.0]))
    torch.manual_seed(draw(st.integers(0, 99)))
    crf = make_crf(num_labels, scale)
    mask = prefix_mask(lengths)
    emissions = scale * torch.randn(*mask.shape, crf.num_tags)
    for b, length in enumerate(lengths):
        for t, tag in enumerate(random_legal_path(LEGAL[num_labels], length)):
            if torch.rand(()) < known:
                forbidden = torch.rand(crf.num_tags) < 0.7
                forbidden[tag] = False
                emissions[t, b, forbidden] = -torch.inf
    return emissions, tuple(x.detach() for x in crf.legal_scores()), mask


@given(problem=problems(), k=st.integers(1, 10))
def test_the_best_paths_equal_enumeration(problem, k):
    emissions, scores, mask = problem
    tags, log_p = kbest(emissions, *scores, mask, k)
    assert tags.shape == (k, *mask.shape)
    assert not tags[:, ~mask].any()
    for b, length in enumerate(mask.sum(0).tolist()):
        paths, exact = enumerate_paths(emissions[:length, b], *scores)
        expected = (exact - exact.logsumexp(0)).sort(descending=True).values[:k]
        n = len(expected)
        torch.testing.assert_close(
            log_p[:n, b].double().exp(), expected.exp(), atol=1e-5, rtol=1e-4
        )
        assert (log_p[n:, b] == -torch.inf).all()
        found = [tuple(path) for path in tags[:n, :length, b].tolist()]
        assert len(set(found)) == n
        # Each has the probability of its own path, not only of its rank.
        of_path = dict(zip(map(tuple, paths.tolist()), exact.tolist(), strict=True))
        own = torch.tensor([of_path[path] for path in found]).double() - exact.logsumexp(0)
        torch.testing.assert_close(own.exp(), expected.exp(), atol=1e-5, rtol=1e-4)


@given(num_tags=st.integers(2, 9), length=st.integers(1, 4), seed=st.integers(0, 99))
def test_without_illegal_paths_too(num_tags, length, seed):
    torch.manual_seed(seed)
    scores = torch.randn(num_tags), torch.randn(num_tags, num_tags), torch.randn(num_tags)
    emissions = torch.randn(length, 1, num_tags)
    _, log_p = kbest(emissions, *scores, torch.ones(length, 1).bool(), 10)
    _, exact = enumerate_paths(emissions[:, 0], *scores)
    expected = (exact - exact.logsumexp(0)).sort(descending=True).values[:10]
    found = log_p[log_p > -torch.inf].double()
    torch.testing.assert_close(found.exp(), expected.exp(), atol=1e-5, rtol=1e-4)


@given(problem=problems())
def test_a_sequence_does_not_depend_on_the_batch(problem):
    emissions, scores, mask = problem
    tags, log_p = kbest(emissions, *scores, mask, 4)
    for b, length in enumerate(mask.sum(0).tolist()):
        column = slice(b, b + 1)
        alone = kbest(emissions[:length, column], *scores, mask[:length, column], 4)
        possible = log_p[:, b] > -torch.inf
        torch.testing.assert_close(alone[0][possible, :, 0], tags[possible, :length, b])
        torch.testing.assert_close(alone[1][:, 0], log_p[:, b])


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_decoders_give_the_probability_at_a_temperature(decoder, temperature):
    torch.manual_seed(0)
    model = make_crf(1) if decoder == "crf" else Softmax(5, legal=LEGAL[1])
    scores = model._tempered(torch.randn(4, 1, 5), 1.0)
    mask = torch.ones(4, 1).bool()
    tags, log_p = model.best_paths(scores[0], mask, 3, temperature)
    exact = (scores[0][:, 0], *scores[1:])
    paths, expected = enumerate_paths(*(score / temperature for score in exact))
    best = (expected - expected.logsumexp(0)).sort(descending=True)
    torch.testing.assert_close(log_p[:, 0].double(), best.values[:3], atol=1e-5, rtol=1e-5)
    assert torch.equal(tags[:, :, 0], paths[best.indices[:3]])
    assert torch.equal(tags[0], model.best_tags(scores[0], mask))


def test_long_sequences_are_precise():
    # Scores grow to 1e5, of which float32 has two digits after the point.
    torch.manual_seed(0)
    crf = make_crf(2)
    length = 3000
    emissions = 40.0 + 3.0 * torch.randn(length, 1, 9)
    mask = torch.ones(length, 1).bool()
    tags, log_p = crf.best_paths(emissions, mask, 5)
    scores = [x.detach().double() for x in (emissions, *crf.legal_scores())]
    log_z = log_partition(*scores, mask)
    for path, value in zip(tags[:, :, 0], log_p[:, 0].tolist(), strict=True):
        score = scores[0][torch.arange(length), 0, path].sum() + scores[1][path[0]]
        score += scores[2][path[:-1], path[1:]].sum() + scores[3][path[-1]]
        assert value == pytest.approx((score - log_z).item(), rel=1e-5)
    assert (log_p[:-1] > log_p[1:]).all()


@given(problem=problems(scales=(20.0, 60.0)), k=st.integers(1, 10))
def test_improbable_paths_stay(problem, k):
    # Of most of them float32 has no probability, only its logarithm.
    emissions, scores, mask = problem
    _, log_p = kbest(emissions, *scores, mask, k)
    for b, length in enumerate(mask.sum(0).tolist()):
        _, exact = enumerate_paths(emissions[:length, b], *scores)
        expected = (exact - exact.logsumexp(0)).sort(descending=True).values[:k]
        n = len(expected)
        torch.testing.assert_close(log_p[:n, b].double(), expected, atol=1e-3, rtol=1e-5)
        assert (log_p[n:, b] == -torch.inf).all()


def test_a_best_path_that_is_improbable_is_one_all_the_same():
    # It has to begin with the first tag, and all other paths with the second one, which
    # are each less probable but too many.
    num_steps, num_tags = 200, 9
    transitions = torch.full((num_tags, num_tags), -torch.inf)
    transitions[0, 0] = 0.1
    transitions[1:, 1:] = 0.0
    start = torch.full((num_tags,), -torch.inf)
    start[:2] = 0.0
    emissions = torch.zeros(num_steps, 1, num_tags)
    mask = torch.ones(num_steps, 1).bool()
    tags, log_p = kbest(emissions, start, transitions, torch.zeros(num_tags), mask, 2)
    assert not tags[0].any()
    assert torch.isfinite(log_p).all()


def test_no_path_is_an_error():
    emissions = torch.full((20, 1, 5), -torch.inf)
    with pytest.raises(ValueError, match="no best path"):
        make_crf(1).best_paths(emissions, torch.ones(20, 1).bool(), 3)
