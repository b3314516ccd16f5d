"""pytorch-crf and enumeration of all paths are the oracles."""

import itertools

import pytest
import torch
import torchcrf
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.model import log_partition
from spacy_bilstm_crf.model.crf import LinearChainCRF
from spacy_bilstm_crf.tags import legal_tags

GRADS = ("emissions", "start_transitions", "transitions", "end_transitions")


def make_crf(num_tags, scale=1.0, legal=None, **kwargs):
    crf = LinearChainCRF(num_tags, legal=legal, **kwargs)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return crf


def biluo(num_labels):
    return tuple(torch.from_numpy(mask) for mask in legal_tags(num_labels))


def enumerate_paths(crf, emissions, allowed=None):
    """All legal and allowed paths of one sequence (T, K), with their scores."""
    num_steps, num_tags = emissions.shape
    paths, scores = [], []
    for path in itertools.product(range(num_tags), repeat=num_steps):
        legal = crf.legal_start[path[0]] and crf.legal_end[path[-1]]
        legal = legal and all(
            crf.legal_transitions[a, b] for a, b in itertools.pairwise(path)
        )
        if not legal or (
            allowed is not None and not all(allowed[t, k] for t, k in enumerate(path))
        ):
            continue
        score = crf.start_transitions[path[0]] + crf.end_transitions[path[-1]]
        score = score + sum(emissions[t, k] for t, k in enumerate(path))
        score = score + sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))
        paths.append(list(path))
        scores.append(score)
    return paths, torch.stack(scores) if scores else torch.full((1,), -torch.inf)


def expected_loss(crf, emissions, allowed):
    _, all_scores = enumerate_paths(crf, emissions)
    _, allowed_scores = enumerate_paths(crf, emissions, allowed)
    return all_scores.logsumexp(0) - allowed_scores.logsumexp(0)


def prefix_mask(lengths):
    return torch.arange(max(lengths)).unsqueeze(1) < torch.tensor(lengths)


def gradients(crf, emissions, loss):
    crf.zero_grad()
    emissions.grad = None
    loss.backward()
    tensors = [emissions, crf.start_transitions, crf.transitions, crf.end_transitions]
    return [torch.zeros_like(x) if x.grad is None else x.grad.clone() for x in tensors]


@given(
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    num_tags=st.integers(2, 6),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_log_likelihood_and_gradients_equal_pytorch_crf(lengths, num_tags, scale, seed):
    torch.manual_seed(seed)
    ours = make_crf(num_tags, scale)
    theirs = torchcrf.CRF(num_tags).double()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    mask = prefix_mask(lengths)
    tags = torch.randint(num_tags, mask.shape)
    emissions = (torch.randn(*mask.shape, num_tags) * scale).requires_grad_()
    exact = emissions.detach().double().requires_grad_()
    weights = torch.rand(len(lengths))
    log_likelihood = ours(emissions, tags, mask, reduction="none")
    expected = theirs(exact, tags, mask, reduction="none")
    torch.testing.assert_close(log_likelihood.double(), expected, atol=1e-4, rtol=1e-5)
    got = gradients(ours, emissions, (log_likelihood * weights).sum())
    want = gradients(theirs, exact, (expected * weights.double()).sum())
    for name, a, b in zip(GRADS, got, want, strict=True):
        torch.testing.assert_close(
            a.double(), b, atol=1e-4, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}"
        )


@pytest.mark.parametrize("reduction", ["none", "sum", "mean", "token_mean"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_reductions_and_batch_first_equal_pytorch_crf(reduction, batch_first):
    torch.manual_seed(0)
    ours = make_crf(4, batch_first=batch_first)
    theirs = torchcrf.CRF(4, batch_first=batch_first)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    mask = prefix_mask([5, 2, 1])
    emissions, tags = torch.randn(*mask.shape, 4), torch.randint(4, mask.shape)
    if batch_first:
        emissions, tags, mask = emissions.transpose(0, 1), tags.T, mask.T
    torch.testing.assert_close(
        ours(emissions, tags, mask, reduction), theirs(emissions, tags, mask, reduction)
    )
    assert ours.decode(emissions, mask) == theirs.decode(emissions, mask)
    # pytorch-crf's own default mask is of bytes, which torch warns about.
    all_on = torch.ones_like(mask)
    torch.testing.assert_close(ours(emissions, tags), theirs(emissions, tags, all_on))
    assert ours.decode(emissions) == theirs.decode(emissions, all_on)


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    num_tags=st.integers(2, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_decode_equals_pytorch_crf(lengths, num_tags, seed):
    torch.manual_seed(seed)
    ours = make_crf(num_tags)
    theirs = torchcrf.CRF(num_tags)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    mask = prefix_mask(lengths)
    emissions = torch.randn(*mask.shape, num_tags)
    assert ours.decode(emissions, mask) == theirs.decode(emissions, mask)


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("num_labels", [0, 1])
def test_legal_best_path_and_loss_equal_enumeration(length, num_labels):
    torch.manual_seed(length)
    crf = make_crf(1 + 4 * num_labels, 2.0, biluo(num_labels))
    emissions = torch.randn(length, 4, crf.num_tags) * 3
    decoded = crf.decode(emissions)
    for column in range(4):
        paths, scores = enumerate_paths(crf, emissions[:, column])
        assert decoded[column] == paths[int(scores.argmax())]
        tags = torch.tensor(paths[0]).unsqueeze(1)
        expected = scores[0] - scores.logsumexp(0)
        torch.testing.assert_close(crf(emissions[:, column : column + 1], tags), expected)


@given(seed=st.integers(0, 200), known=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_partial_labels_equal_enumeration(seed, known):
    torch.manual_seed(seed)
    crf = make_crf(5, 1.0, biluo(1))
    lengths = [4, 1, 3, 2]
    mask = prefix_mask(lengths)
    emissions = torch.randn(*mask.shape, 5).requires_grad_()
    allowed = torch.ones(*mask.shape, 5, dtype=torch.bool)
    for column, length in enumerate(lengths):
        paths, _ = enumerate_paths(crf, emissions[:length, column])
        path = paths[int(torch.randint(len(paths), ()))]
        for t, tag in enumerate(path):
            if torch.rand(()) < known:
                # Some tokens allow one tag, some a few, one of them on the chosen path.
                allowed[t, column] = torch.rand(5) < 0.3
                allowed[t, column, tag] = True
    loss = crf.nll(emissions, allowed, mask)
    expected = torch.stack(
        [
            expected_loss(crf, emissions[:length, column], allowed[:length, column])
            for column, length in enumerate(lengths)
        ]
    )
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    got, want = (gradients(crf, emissions, x.sum()) for x in (loss, expected))
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_nothing_known_gives_no_loss_and_no_gradient():
    crf = make_crf(9, 1.0, biluo(2))
    mask = prefix_mask([6, 3])
    emissions = torch.randn(*mask.shape, 9).requires_grad_()
    loss = crf.nll(emissions, torch.ones(*mask.shape, 9, dtype=torch.bool), mask)
    assert loss.tolist() == [0.0, 0.0]
    for gradient in gradients(crf, emissions, loss.sum()):
        assert not gradient.any()


def test_illegal_paths_are_never_decoded():
    legal = biluo(2)
    crf = make_crf(9, 1.0, legal)
    with torch.no_grad():
        # Every illegal step looks far better than any legal one.
        crf.transitions += (~legal[1]).float() * 1000
        crf.start_transitions += (~legal[0]).float() * 1000
        crf.end_transitions += (~legal[2]).float() * 1000
    for path in crf.decode(torch.randn(7, 200, 9) * 5):
        assert legal[0][path[0]]
        assert legal[2][path[-1]]
        assert all(legal[1][a, b] for a, b in itertools.pairwise(path))


def test_decode_keeps_to_the_allowed_tags():
    torch.manual_seed(0)
    crf = make_crf(5, 1.0, biluo(1))
    emissions = torch.randn(3, 1, 5)
    allowed = torch.ones(3, 1, 5, dtype=torch.bool)
    allowed[1, 0] = torch.tensor([False, False, True, False, False])
    mask = torch.ones(3, 1, dtype=torch.bool)
    emissions = emissions.masked_fill(~allowed, -torch.inf)
    assert crf.best_tags(emissions, mask)[:, 0].tolist() == [1, 2, 3]


def test_no_legal_path_is_an_error_in_decoding_and_infinite_in_the_loss():
    crf = make_crf(5, 1.0, biluo(1))
    emissions, mask = torch.randn(2, 1, 5), torch.ones(2, 1, dtype=torch.bool)
    allowed = torch.zeros(2, 1, 5, dtype=torch.bool)
    allowed[:, 0, 1] = True  # B, B
    with pytest.raises(ValueError, match="no legal path"):
        crf.best_tags(emissions.masked_fill(~allowed, -torch.inf), mask)
    assert crf.nll(emissions, allowed, mask).tolist() == [torch.inf]
    allowed[1, 0, 4] = True  # B, then B or U: still none, and not by one gather
    assert crf.nll(emissions, allowed, mask).tolist() == [torch.inf]


def test_emissions_that_are_not_numbers_are_an_error():
    crf = make_crf(3)
    with pytest.raises(ValueError, match="not finite"):
        crf.decode(torch.full((2, 1, 3), torch.nan))


def test_empty_sequences_cost_nothing_and_have_no_tags():
    torch.manual_seed(0)
    crf = make_crf(3)
    emissions = torch.randn(2, 3, 3, requires_grad=True)
    tags, mask = torch.zeros(2, 3, dtype=torch.int64), prefix_mask([2, 0, 1])
    assert [len(path) for path in crf.decode(emissions, mask)] == [2, 0, 1]
    loss = crf(emissions, tags, mask, reduction="none")
    assert loss[1] == 0
    some = [0, 2]
    expected = crf(emissions[:, some], tags[:, some], mask[:, some], reduction="none")
    torch.testing.assert_close(loss[some], expected)
    loss.sum().backward()
    assert emissions.grad[:, 1].abs().max() == 0
    nothing = torch.randn(0, 2, 3)
    assert crf.decode(nothing) == [[], []]
    assert crf(nothing, tags[:0, :2], reduction="none").tolist() == [0, 0]


@pytest.mark.parametrize("scale", [30.0, 300.0])
def test_scores_that_underflow_are_computed_in_log_space(scale):
    torch.manual_seed(0)
    crf = make_crf(5, scale, biluo(1))
    lengths = [4, 3, 1, 2]
    mask = prefix_mask(lengths)
    emissions = (torch.randn(*mask.shape, 5) * scale).requires_grad_()
    allowed = torch.rand(*mask.shape, 5) < 0.8
    allowed[..., 0] = True
    loss = crf.nll(emissions, allowed, mask)
    expected = torch.stack(
        [
            expected_loss(crf, emissions[:length, column], allowed[:length, column])
            for column, length in enumerate(lengths)
        ]
    )
    torch.testing.assert_close(loss, expected, atol=1e-3, rtol=1e-4)
    got, want = (gradients(crf, emissions, x.sum()) for x in (loss, expected))
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_a_path_lost_by_slow_underflow_is_noticed():
    # Tag 1 falls behind tag 0 by 50 nats a step for three steps, out of float32's reach,
    # and gains as much for six: no single step is extreme, and yet tag 1 wins.
    any_tag = torch.ones(2, dtype=torch.bool)
    crf = LinearChainCRF(2, legal=(any_tag, torch.eye(2, dtype=torch.bool), any_tag))
    for parameter in crf.parameters():
        torch.nn.init.zeros_(parameter)
    emissions = torch.zeros(9, 1, 2)
    emissions[:3, 0, 0] = 50.0
    emissions[3:, 0, 1] = 50.0
    emissions.requires_grad_()
    mask = torch.ones(9, 1, dtype=torch.bool)
    loss = crf.nll(emissions, torch.tensor([True, False]).expand(9, 1, 2), mask)
    assert loss.item() == pytest.approx(150.0)
    loss.sum().backward()
    assert emissions.grad[:, 0].tolist() == [[-1.0, 1.0]] * 9


@pytest.mark.parametrize("scale", [3.0, 10.0, 30.0, 60.0])
def test_scores_of_any_size_equal_double_precision(scale):
    # At 30 some of these have paths that underflow in both recursions.
    for seed in range(150):
        torch.manual_seed(seed)
        crf = make_crf(9, scale, biluo(2))
        mask = prefix_mask([8, 1, 5, 2])
        emissions = torch.randn(*mask.shape, 9) * scale
        scores = (emissions, *crf.legal_scores())
        with torch.no_grad():
            found = log_partition._in_probability_space(*scores, mask)
            exact = log_partition._in_log_space(*(x.double() for x in scores), mask)
        if found is None:
            continue
        for name, a, b in zip(found._fields, found, exact, strict=True):
            torch.testing.assert_close(
                a.double(), b, atol=1e-3, rtol=1e-5, msg=lambda m, name=name: f"{name}: {m}"
            )


def test_scores_that_forbid_every_tag_are_impossible():
    emissions = torch.full((2, 1, 3), -torch.inf)
    scores = torch.zeros(3), torch.zeros(3, 3), torch.zeros(3)
    log_z = log_partition.log_partition(emissions, *scores, torch.ones(2, 1).bool())
    assert log_z.tolist() == [-torch.inf]


def test_both_spaces_give_the_same_expectations():
    torch.manual_seed(0)
    crf = make_crf(9, 1.0, biluo(2))
    mask = prefix_mask([7, 1, 2, 4])
    arguments = (torch.randn(*mask.shape, 9), *crf.legal_scores(), mask)
    with torch.no_grad():
        fast = log_partition._in_probability_space(*arguments)
        slow = log_partition._in_log_space(*arguments)
    assert fast is not None
    for name, a, b in zip(fast._fields, fast, slow, strict=True):
        torch.testing.assert_close(
            a, b, atol=1e-5, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}"
        )
    torch.testing.assert_close(fast.tags.sum(-1), mask.float())


def test_ordinary_scores_stay_in_probability_space(monkeypatch):
    def refuse(*args):
        raise AssertionError("fell back to log space")

    monkeypatch.setattr(log_partition, "_in_log_space", refuse)
    torch.manual_seed(0)
    crf = make_crf(29, 3.0, biluo(7))
    emissions = torch.randn(200, 8, 29) * 6
    crf.nll(emissions, torch.ones_like(emissions, dtype=torch.bool), emissions[..., 0] < 99)


def test_half_precision_emissions_are_scored_in_float32():
    crf = make_crf(5)
    emissions, tags = torch.randn(6, 2, 5), torch.randint(5, (6, 2))
    half = emissions.bfloat16()
    assert crf(half, tags).dtype == torch.float32
    torch.testing.assert_close(crf(half, tags), crf(half.float(), tags))


@pytest.mark.parametrize(
    ("emissions", "tags", "mask", "message"),
    [
        (torch.zeros(2, 3), None, None, "3 dimensions"),
        (torch.zeros(2, 3, 4), None, None, "5 tags"),
        (torch.zeros(2, 3, 5), torch.zeros(3, 3), None, "emissions and tags"),
        (torch.zeros(2, 3, 5), None, torch.ones(2, 2), "emissions and mask"),
        (torch.zeros(2, 1, 5), None, torch.tensor([[0], [1]]), "first tokens"),
    ],
)
def test_wrong_shapes_are_refused(emissions, tags, mask, message):
    crf = LinearChainCRF(5)
    run = crf.decode if tags is None else lambda e, m: crf(e, tags, m)
    with pytest.raises(ValueError, match=message):
        run(emissions, mask)


def test_byte_masks_are_accepted_as_in_pytorch_crf():
    crf = make_crf(4)
    emissions, mask = torch.randn(3, 2, 4), prefix_mask([3, 1])
    assert crf.decode(emissions, mask.to(torch.uint8)) == crf.decode(emissions, mask)


def test_invalid_reduction_is_refused():
    crf = LinearChainCRF(2)
    with pytest.raises(ValueError, match="invalid reduction"):
        crf(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.int64), reduction="max")


def test_log_space_is_precise_over_many_steps():
    torch.manual_seed(0)
    crf = make_crf(9, 1.0, biluo(2))
    mask = prefix_mask([3000, 700])
    scores = (torch.randn(*mask.shape, 9) * 3, *(x.detach() for x in crf.legal_scores()))
    found = log_partition._in_log_space(*scores, mask)
    exact = log_partition._in_log_space(*(x.double() for x in scores), mask)
    assert found.tags.dtype == torch.float32
    torch.testing.assert_close(found.tags.double(), exact.tags, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(
        found.transitions.double(), exact.transitions, atol=1e-2, rtol=0.0
    )
