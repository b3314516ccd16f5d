"""Enumeration of all paths is the oracle."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model import log_partition
from spacy_bilstm_crf.model.crf import LinearChainCRF
from spacy_bilstm_crf.model.softmax import Softmax
from spacy_bilstm_crf.tags import legal_tags

LEGAL = {n: tuple(map(torch.from_numpy, legal_tags(n))) for n in (1, 2)}


def make(decoder, num_labels, scale):
    if decoder == "softmax":
        model = Softmax(1 + 4 * num_labels, legal=LEGAL[num_labels])
        return model, (model.start, model.transitions, model.end)
    model = LinearChainCRF(1 + 4 * num_labels, legal=LEGAL[num_labels])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return model, model.legal_scores()


def enumerate_paths(emissions, start, transitions, end):
    """All paths of one sequence (T, K) with their probabilities, in float64."""
    paths = list(itertools.product(range(emissions.shape[1]), repeat=len(emissions)))
    scores = [
        start[path[0]]
        + end[path[-1]]
        + sum(emissions[t, tag] for t, tag in enumerate(path))
        + sum(transitions[a, b] for a, b in itertools.pairwise(path))
        for path in paths
    ]
    return torch.tensor(paths), torch.stack(scores).softmax(0)


@pytest.mark.parametrize("in_log_space", [False, True])
@given(
    decoder=st.sampled_from(["crf", "softmax"]),
    num_labels=st.sampled_from([1, 2]),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
    temperature=st.sampled_from([0.5, 1.0, 3.0]),
    seed=st.integers(0, 99),
)
def test_every_span_has_its_exact_probability(
    in_log_space, decoder, num_labels, lengths, scale, temperature, seed
):
    torch.manual_seed(seed)
    model, scores = make(decoder, num_labels, scale)
    num_tags = 1 + 4 * num_labels
    mask = torch.arange(max(lengths)).unsqueeze(1) < torch.tensor(lengths)
    emissions = scale * torch.randn(*mask.shape, num_tags)
    path = model.best_tags(emissions, mask)
    with pytest.MonkeyPatch.context() as patch:
        if in_log_space:
            patch.setattr(log_partition, "MAX_SPREAD", -1.0)
        found = model.path_probabilities(emissions, mask, path, temperature)
    for b, length in enumerate(lengths):
        exact = [
            x.detach().double() / temperature for x in (emissions[:length, b], *scores)
        ]
        paths, probabilities = enumerate_paths(*exact)
        for i, j in itertools.combinations(range(length + 1), 2):
            same = (paths[:, i:j] == path[i:j, b]).all(1)
            expected = probabilities[same].sum().item()
            product = found[i, b, 0] * found[i + 1 : j, b, 1].prod()
            assert product.item() == pytest.approx(expected, abs=1e-5)


def test_an_impossible_path_has_no_probability():
    model, _ = make("crf", 1, 1.0)
    emissions = torch.randn(3, 1, 5)
    # I without B.
    path = torch.tensor([[0], [2], [3]])
    found = model.path_probabilities(emissions, torch.ones(3, 1, dtype=torch.bool), path)
    assert found[0, 0, 0] * found[1:, 0, 1].prod() == 0.0
    assert torch.isfinite(found).all()
