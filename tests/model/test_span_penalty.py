"""Enumeration of all paths, in float64 and with autograd, is the oracle."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model import log_partition
from spacy_bilstm_crf.model import span_penalty as module
from spacy_bilstm_crf.model.crf import LinearChainCRF
from spacy_bilstm_crf.model.network import BiLSTMCRF
from spacy_bilstm_crf.model.softmax import Softmax
from spacy_bilstm_crf.model.span_penalty import span_penalty
from spacy_bilstm_crf.tags import ANY_LABEL, find_spans, legal_tags

LEGAL = {n: tuple(map(torch.from_numpy, legal_tags(n))) for n in (1, 2)}


def make(decoder, num_labels, scale):
    num_tags = 1 + 4 * num_labels
    if decoder == "softmax":
        return Softmax(num_tags, legal=LEGAL[num_labels])
    crf = LinearChainCRF(num_tags, legal=LEGAL[num_labels])
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return crf


def scores_of(decoder):
    if isinstance(decoder, Softmax):
        return decoder.start, decoder.transitions, decoder.end
    return decoder.legal_scores()


def has_span(path, start, end, label):
    found = {tuple(map(int, span)) for span in zip(*find_spans(path.numpy()), strict=True)}
    return any((start, end) == span[:2] and label in (span[2], ANY_LABEL) for span in found)


def expected_penalty(emissions, start, transitions, end, span):
    """-log(1 - P) of a span of one sequence (T, K): the mass of the paths without it."""
    num_steps, num_tags = emissions.shape
    paths = torch.cartesian_prod(*[torch.arange(num_tags)] * num_steps)
    paths = paths.view(-1, num_steps)
    scores = start[paths[:, 0]] + end[paths[:, -1]]
    scores = scores + sum(emissions[t, paths[:, t]] for t in range(num_steps))
    scores = scores + sum(
        (transitions[paths[:, t], paths[:, t + 1]] for t in range(num_steps - 1)), start=0.0
    )
    legal = scores > -torch.inf
    paths, scores = paths[legal], scores[legal]
    without = torch.tensor([not has_span(path, *span) for path in paths])
    return scores.logsumexp(0) - scores[without].logsumexp(0)


@st.composite
def problems(draw):
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    num_labels = draw(st.sampled_from([1, 2]))
    spans = []
    for _ in range(draw(st.integers(1, 4))):
        sequence = draw(st.integers(0, len(lengths) - 1))
        start = draw(st.integers(0, lengths[sequence] - 1))
        end = draw(st.integers(start + 1, lengths[sequence]))
        spans.append((sequence, start, end, draw(st.integers(ANY_LABEL, num_labels - 1))))
    return lengths, num_labels, spans


@pytest.mark.parametrize("in_log_space", [False, True])
@given(
    problem=problems(),
    decoder=st.sampled_from(["crf", "softmax"]),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
    seed=st.integers(0, 99),
)
def test_penalty_and_gradients_equal_enumeration(
    in_log_space, problem, decoder, scale, seed
):
    lengths, num_labels, spans = problem
    torch.manual_seed(seed)
    model = make(decoder, num_labels, scale)
    mask = torch.arange(max(lengths)).unsqueeze(1) < torch.tensor(lengths)
    emissions = scale * torch.randn(*mask.shape, 1 + 4 * num_labels)
    emissions.requires_grad_()
    weights = torch.rand(len(spans))
    with pytest.MonkeyPatch.context() as patch:
        if in_log_space:
            patch.setattr(log_partition, "MAX_SPREAD", -1.0)
        found = span_penalty(model.log_z, emissions, mask, torch.tensor(spans))
    inputs = [emissions, *model.parameters()]
    gradients = torch.autograd.grad((found * weights).sum(), inputs)

    exact = emissions.double()
    scores = [score.double() for score in scores_of(model)]
    expected = torch.stack(
        [
            expected_penalty(exact[: lengths[seq], seq], *scores, place)
            for seq, *place in spans
        ]
    )
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    wanted = torch.autograd.grad((expected * weights).sum(), inputs, materialize_grads=True)
    for a, b in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_span_that_is_certain_can_be_unlearned(width):
    """P is 1 in float32, and 1 - P is not 0."""
    model = make("crf", 1, 0.0)
    path = [0, 4, 0, 0, 0] if width == 1 else [0, 1, *[2] * (width - 2), 3, 0]
    emissions = torch.zeros(len(path), 1, 5)
    emissions[range(len(path)), 0, path] = 50.0
    emissions.requires_grad_()
    mask = torch.ones(len(path), 1, dtype=torch.bool)
    spans = torch.tensor([[0, 1, 1 + width, 0]])
    probabilities = model.path_probabilities(emissions, mask, torch.tensor([path]).T)
    assert probabilities[1 : 1 + width].prod() == 1.0
    [penalty] = span_penalty(model.log_z, emissions, mask, spans)
    scores = [score.double() for score in scores_of(model)]
    expected = expected_penalty(emissions[:, 0].double(), *scores, (1, 1 + width, 0))
    torch.testing.assert_close(penalty.double(), expected, check_dtype=False)
    [gradient], [wanted] = (torch.autograd.grad(x, emissions) for x in (penalty, expected))
    torch.testing.assert_close(gradient, wanted)
    assert gradient[1, 0, path[1]] > 0.4


def test_a_span_that_is_improbable_costs_little_and_not_rounding_errors():
    """Adam would make whole steps of them."""
    torch.manual_seed(0)
    model = make("crf", 1, 0.1)
    emissions = torch.randn(4, 1, 5) + 200.0
    emissions[:, :, 0] += 8.0
    emissions.requires_grad_()
    mask = torch.ones(4, 1, dtype=torch.bool)
    [penalty] = span_penalty(model.log_z, emissions, mask, torch.tensor([[0, 1, 3, 0]]))
    scores = [score.double() for score in scores_of(model)]
    expected = expected_penalty(emissions[:, 0].double(), *scores, (1, 3, 0))
    assert 1e-8 < expected.item() < 1e-5
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-3)
    [gradient], [wanted] = (torch.autograd.grad(x, emissions) for x in (penalty, expected))
    torch.testing.assert_close(gradient, wanted, rtol=1e-2, atol=1e-10)


def test_spans_in_groups_cost_the_same(monkeypatch):
    torch.manual_seed(0)
    model = make("crf", 2, 1.0)
    emissions, mask = torch.randn(9, 2, 9), torch.ones(9, 2, dtype=torch.bool)
    spans = torch.tensor([(i % 2, i, j, -1) for i in range(9) for j in range(i + 1, 10)])
    expected = span_penalty(model.log_z, emissions, mask, spans)
    rows = []

    def log_z(emissions, mask):
        rows.append(emissions.shape[1])
        return model.log_z(emissions, mask)

    for cells, limit in ((9 * 9 * 25, 25), (1, 10)):
        monkeypatch.setattr(module, "CELLS", cells)
        rows.clear()
        torch.testing.assert_close(span_penalty(log_z, emissions, mask, spans), expected)
        assert len(rows) > 10
        assert max(rows) <= limit


def test_no_span_sends_the_recursion_to_log_space(monkeypatch):
    """It would be several times slower: no row may be without a path."""
    monkeypatch.setattr(log_partition, "_in_log_space", None)
    model = make("crf", 2, 1.0)
    lengths = torch.tensor([5, 3, 1])
    mask = torch.arange(5).unsqueeze(1) < lengths
    spans = [
        (seq, start, end, label)
        for seq, length in enumerate(lengths.tolist())
        for start, end in itertools.combinations(range(length + 1), 2)
        for label in (ANY_LABEL, 0, 1)
    ]
    emissions = torch.randn(5, 3, 9)
    penalty = span_penalty(model.log_z, emissions, mask, torch.tensor(spans))
    assert torch.isfinite(penalty).all()
    assert (penalty > 0.0).all()


def test_the_network_adds_penalties_to_the_losses_of_their_sequences():
    torch.manual_seed(0)
    network = BiLSTMCRF(width=3, hidden_width=4, depth=1, decoder="crf", num_tags=9)
    vectors, lengths = torch.randn(4, 3, 3), torch.tensor([4, 3, 2])
    allowed = torch.ones(4, 3, 9, dtype=torch.bool)
    allowed[0, 0, 1:] = False
    mask = torch.arange(4).unsqueeze(1) < lengths
    incorrect = torch.tensor([[2, 0, 2, 1], [2, 0, 1, 0], [0, 1, 2, -1]])
    plain = network(vectors, lengths, allowed, loss=True)
    losses = network(vectors, lengths, allowed, loss=True, incorrect=incorrect)
    emissions = network.emissions(vectors, lengths)
    extra = span_penalty(network.decoder.log_z, emissions, mask, incorrect)
    expected = plain + torch.stack((extra[2], extra[0] * 0.0, extra[:2].sum()))
    torch.testing.assert_close(losses, expected)
    assert (losses - plain)[0] > 0.0
