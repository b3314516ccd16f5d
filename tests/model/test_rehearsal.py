import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model.rehearsal import path_divergence, tag_divergence

INF = float("inf")


def random_scores(generator, steps, seqs, tags, legal):
    start, transitions, end = (
        torch.randn(mask.shape, generator=generator).masked_fill(~mask, -INF)
        for mask in legal
    )
    emissions = 2.0 * torch.randn(steps, seqs, tags, generator=generator)
    return emissions, start, transitions, end


@st.composite
def two_chains(draw):
    """Scores of two linear chains over the same legal paths, and their mask."""
    steps, seqs, tags = draw(st.integers(1, 4)), draw(st.integers(1, 3)), 4
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    legal = [torch.rand(shape, generator=generator) < 0.7 for shape in (4, (4, 4), 4)]
    for mask in legal:
        # Tag 0 may stand everywhere, as O may.
        mask[..., 0] = True
    old, new = (random_scores(generator, steps, seqs, tags, legal) for _ in range(2))
    if draw(st.booleans()):
        old[0][..., 2] = -INF
    lengths = torch.tensor([draw(st.integers(1, steps)) for _ in range(seqs)])
    lengths[0] = steps
    return old, new, torch.arange(steps).unsqueeze(1) < lengths


def path_log_probabilities(scores, length, seq, tags):
    """Log probability of every path over some tags, by enumeration."""
    emissions, start, transitions, end = scores
    totals = []
    for path in itertools.product(tags, repeat=length):
        total = start[path[0]] + end[path[-1]]
        total = total + sum(emissions[t, seq, tag] for t, tag in enumerate(path))
        pairs = itertools.pairwise(path)
        totals.append(total + sum(transitions[a, b] for a, b in pairs))
    return torch.stack(totals).log_softmax(0)


def enumerate_divergence(old, new, mask):
    tags = [tag for tag in range(4) if old[0][0, 0, tag] > -INF]
    found = []
    for seq, length in enumerate(mask.sum(0).tolist()):
        p, q = (path_log_probabilities(s, length, seq, tags) for s in (old, new))
        possible = p > -INF
        found.append((p[possible].exp() * (p[possible] - q[possible])).sum())
    return torch.stack(found)


@given(two_chains())
def test_divergence_and_gradients_equal_enumeration(chains):
    old, new, mask = chains
    gradients = []
    values = []
    for function in (path_divergence, enumerate_divergence):
        leaves = [scores.clone().requires_grad_() for scores in new]
        value = function(old, leaves, mask)
        values.append(value.detach())
        # No sequence of two tokens, no transitions.
        gradients.append(torch.autograd.grad(value.sum(), leaves, materialize_grads=True))
    torch.testing.assert_close(*values, atol=1e-4, rtol=1e-4)
    for ours, theirs, scores in zip(*gradients, new, strict=True):
        possible = scores > -INF
        torch.testing.assert_close(ours[possible], theirs[possible], atol=1e-4, rtol=1e-3)
        assert ours.isfinite().all()


@given(two_chains())
def test_divergence_from_itself_is_nothing(chains):
    old, _, mask = chains
    leaves = [scores.clone().requires_grad_() for scores in old]
    value = path_divergence(old, leaves, mask)
    value.sum().backward()
    torch.testing.assert_close(value, torch.zeros_like(value), atol=1e-4, rtol=0)
    for leaf in leaves:
        assert leaf.grad.abs().max() < 1e-5


@given(two_chains())
def test_a_tag_that_the_old_one_forbids_gets_no_gradient(chains):
    old, new, mask = chains
    old[0][..., 2] = -INF
    emissions = new[0].clone().requires_grad_()
    before = path_divergence(old, (emissions, *new[1:]), mask)
    before.sum().backward()
    assert emissions.grad[..., 2].abs().max() == 0.0
    with torch.no_grad():
        emissions[..., 2] += 5.0
    after = path_divergence(old, (emissions, *new[1:]), mask)
    assert torch.equal(before, after)


@pytest.mark.parametrize("forbidden", [[], [1, 3]])
def test_tag_divergence_is_a_sum_over_tokens(forbidden):
    torch.manual_seed(0)
    old, new = torch.randn(5, 3, 4), torch.randn(5, 3, 4).requires_grad_()
    old[..., forbidden] = -INF
    mask = torch.arange(5).unsqueeze(1) < torch.tensor([5, 2, 1])
    kept = [tag for tag in range(4) if tag not in forbidden]
    p, q = (scores[..., kept].log_softmax(-1) for scores in (old, new))
    expected = torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1)
    found = tag_divergence(old, new, mask)
    torch.testing.assert_close(found, (expected * mask).sum(0))
    found.sum().backward()
    assert new.grad.isfinite().all()
    assert (new.grad[..., forbidden] == 0.0).all()
