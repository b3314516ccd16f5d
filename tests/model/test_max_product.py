import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model import max_product
from spacy_bilstm_crf.model.max_product import add_best_scores, type_of_products
from spacy_bilstm_crf.model.viterbi import viterbi
from spacy_bilstm_crf.tags import legal_tags

NEVER = -torch.inf


@pytest.fixture(autouse=True)
def many_tags(monkeypatch):
    monkeypatch.setattr(max_product, "MANY", 0)


def biluo(num_labels):
    """RETURNS (Tensor): Transitions, 0 where they are legal."""
    legal = torch.from_numpy(legal_tags(num_labels)[1])
    return torch.zeros(legal.shape).masked_fill(~legal, NEVER)


@given(
    num_steps=st.integers(2, 40),
    num_labels=st.integers(0, 2),
    num_seqs=st.integers(1, 5),
    # For float32, for float64 and for neither.
    sharpness=st.sampled_from([0.0, 1.0, 10.0, 200.0]),
    seed=st.integers(0, 10**6),
)
def test_products_have_the_scores_of_sums(num_steps, num_labels, num_seqs, sharpness, seed):
    torch.manual_seed(seed)
    transitions = biluo(num_labels)
    num_tags = len(transitions)
    transitions += torch.randn(num_tags, num_tags)
    scores = sharpness * torch.randn(num_steps, num_tags, num_seqs)
    # No path begins with some tags.
    scores[0][torch.rand(num_tags, num_seqs) < 0.3] = NEVER
    scores[0, 0] = 0.0
    matters = 3 * spread(transitions.flatten()) + 2 * spread(scores[1:])
    expected = scores.double()
    max_product._add_by_sums(expected, transitions.double())
    add_best_scores(scores, transitions)
    # But for a constant per step.
    found, expected = (x - x.amax(1, keepdim=True) for x in (scores.double(), expected))
    far = expected < -matters
    assert (found[far] <= -matters * 0.999).all()
    atol = 1e-5 * max(1.0, sharpness)
    torch.testing.assert_close(found[~far], expected[~far], rtol=1e-6, atol=atol)


def spread(x):
    x = x[x > NEVER]
    return float(x.max() - x.min()) if len(x) else 0.0


def test_float32_would_lose_the_best_path(monkeypatch):
    """A word that is by far the worst choice until its last token."""
    transitions = biluo(1)
    tags = {"O": 0, "B": 1, "L": 3}
    emissions = torch.zeros(30, 5, 1)
    emissions[:, tags["O"]] = 110.0
    emissions[0] = emissions[29] = 0.0
    emissions[29, tags["L"]] = 175.0
    for dtype in (torch.float64, torch.float32):
        scores = emissions.clone()
        if dtype == torch.float64:
            monkeypatch.setattr(max_product, "LEVEL_PRODUCTS", 1)
            assert type_of_products(scores, transitions) == dtype
        max_product._add_by_products(scores, transitions, dtype)
        is_found = scores[29].argmax() == tags["L"]
        assert is_found == (dtype == torch.float64)


@pytest.mark.parametrize("sharpness", [1.0, 20.0])
def test_long_products_do_not_vanish(sharpness):
    scores, transitions = torch.zeros(2000, 5, 1), biluo(1)
    # No path has the best tag of each step.
    scores[::2, 0] = scores[1::2, 2] = sharpness
    expected = scores.double()
    max_product._add_by_sums(expected, transitions.double())
    assert type_of_products(scores, transitions) is not None
    add_best_scores(scores, transitions)
    found, expected = (x - x.amax(1, keepdim=True) for x in (scores.double(), expected))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("spread", "dtype"),
    [(0, torch.float32), (12, torch.float32), (15, torch.float64), (999, None)],
)
def test_the_type_holds_what_may_lie_behind(spread, dtype):
    scores, transitions = torch.zeros(3, 4, 2), torch.zeros(4, 4)
    scores[1, 2, 0] = spread
    assert type_of_products(scores, transitions) == dtype
    # As far at the start, if it is possible.
    scores[1, 2, 0], scores[0, 2, 0] = 0, 7 * spread
    assert type_of_products(scores, transitions) == dtype
    scores[0, 2, 0] = NEVER
    assert type_of_products(scores, transitions) == torch.float32
    # And where a transition costs as much.
    transitions[0, 1] = -spread
    assert type_of_products(scores, transitions) == dtype


@pytest.mark.parametrize("value", [NEVER, torch.inf, torch.nan])
def test_what_is_no_number_or_forbidden_is_left_to_sums(value):
    scores, transitions = torch.zeros(3, 4, 2), torch.zeros(4, 4)
    scores[2, 1, 0] = value
    assert type_of_products(scores, transitions) is None
    assert type_of_products(torch.zeros(3, 4, 2), transitions) is not None


def test_a_path_may_end_with_what_lies_far_behind():
    start, transitions, end = map(torch.from_numpy, legal_tags(1))
    scores = [
        torch.zeros(m.shape).masked_fill(~m, NEVER) for m in (start, transitions, end)
    ]
    emissions = torch.zeros(4, 2, 5)
    # B, with which no sequence ends. The second one has one token.
    emissions[0, 1, 1] = 110.0
    mask = torch.tensor([[1, 1], [1, 0], [1, 0], [1, 0]], dtype=torch.bool)
    assert viterbi(emissions, *scores, mask)[0, 1] in (0, 4)


@pytest.mark.parametrize("kind", ["two groups", "from left to right"])
def test_tags_that_cannot_be_reached_are_left_to_sums(kind):
    torch.manual_seed(0)
    tags = torch.arange(6)
    if kind == "two groups":
        legal, last = tags.unsqueeze(1) % 2 == tags % 2, 1
    else:
        legal, last = tags.unsqueeze(1) <= tags, 0
    transitions = torch.zeros(6, 6).masked_fill(~legal, NEVER)
    end = torch.full((6,), NEVER)
    end[last] = 0.0
    emissions = torch.randn(200, 2, 6)
    emissions[:, :, 4] += 8.0
    mask = torch.ones(200, 2, dtype=torch.bool)
    tags = viterbi(emissions, torch.zeros(6), transitions, end, mask)
    assert (tags[-1] == last).all()
    assert type_of_products(emissions.transpose(1, 2), transitions) is None


def test_few_tags_and_single_steps_are_left_to_sums(monkeypatch):
    monkeypatch.setattr(max_product, "MANY", 4 * 4 * 2)
    transitions = torch.zeros(4, 4)
    assert type_of_products(torch.zeros(3, 4, 2), transitions) is not None
    assert type_of_products(torch.zeros(3, 4, 1), transitions) is None
    assert type_of_products(torch.zeros(1, 4, 2), transitions) is None


def test_the_precision_of_scores_is_kept():
    scores, transitions = torch.zeros(3, 4, 2, dtype=torch.float64), torch.zeros(4, 4)
    assert type_of_products(scores, transitions.double()) == torch.float64


def test_nobody_is_warned_of_the_kernel():
    code = """
import torch
from spacy_bilstm_crf.model.max_product import add_best_scores
add_best_scores(torch.zeros(3, 40, 99), torch.zeros(40, 40))
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
