import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model import forward_backward, log_partition, pieces
from spacy_bilstm_crf.model.log_partition import expectations

K = 5


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "LONG", 20)
    monkeypatch.setattr(forward_backward, "PIECE", 8)
    monkeypatch.setattr(forward_backward, "WARM_UP", 2)
    # Nothing must fall back to it here.
    monkeypatch.setattr(log_partition, "_in_log_space", None)


@given(
    lengths=st.lists(st.integers(1, 60), max_size=3),
    longest=st.integers(20, 60),
    seed=st.integers(0, 10**6),
    sharpness=st.sampled_from([0.01, 1.0, 6.0]),
    density=st.sampled_from([0.5, 1.0]),
)
def test_long_sequences_have_the_expectations_of_each_alone(
    lengths, longest, seed, sharpness, density
):
    torch.manual_seed(seed)
    lengths = [longest, *lengths]
    num_steps = max(lengths)
    mask = torch.arange(num_steps).unsqueeze(1) < torch.tensor(lengths)
    emissions = torch.randn(num_steps, len(lengths), K)
    transitions = (sharpness * torch.randn(K, K)).clamp(-15, 15)
    transitions[torch.rand(K, K) > density] = -torch.inf
    transitions.fill_diagonal_(0.0)
    start, end = torch.randn(2, K)
    pairs = torch.randint(K, (2, num_steps - 1, len(lengths), 3)).unbind()
    found = expectations(emissions, start, transitions, end, mask, pairs)
    for column, length in enumerate(lengths):
        here = slice(column, column + 1)
        scores = (t.double() for t in (emissions[:length, here], start, transitions, end))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pieces, "LONG", 10**9)
            alone = expectations(
                *scores,
                torch.ones(length, 1, dtype=torch.bool),
                tuple(tags[: length - 1, here] for tags in pairs),
            )
        of_column = found._replace(
            log_z=found.log_z[here],
            tags=found.tags[:length, here],
            transitions=found.transitions[here],
            end=found.end[here],
            pairs=found.pairs[: length - 1, here],
        )
        for one, other in zip(of_column, alone, strict=True):
            torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=2e-5)
        assert not found.tags[length:, column].any()


@pytest.mark.parametrize("forgets", [True, False])
def test_only_pieces_with_wrong_guesses_run_again(monkeypatch, forgets):
    sizes = []
    recur = forward_backward._recur
    monkeypatch.setattr(
        forward_backward,
        "_recur",
        lambda *args: [sizes.append(args[0].shape[2]), recur(*args)][1],
    )
    # Where a tag never changes, the first one is not forgotten.
    transitions = torch.zeros(K, K) if forgets else -12 * (1 - torch.eye(K))
    zeros = torch.zeros(K)
    mask = torch.ones(40, 1, dtype=torch.bool)
    expectations(torch.randn(40, 1, K), zeros, transitions, zeros, mask)
    # The warm-up, all 5 pieces, and as many as start elsewhere than they had guessed.
    assert (sizes == [5, 5]) == forgets


def test_what_is_improbable_may_be_all_that_later_tokens_allow():
    """A tag that a guess has as nearly impossible, and the truth as more so."""
    transitions = -20 * (1 - torch.eye(2))
    emissions = torch.zeros(40, 1, 2)
    # Each tag holds its ground, until the last token tells.
    emissions[:8, 0, 0] = 1.5
    emissions[-1, 0, 1] = 16.0
    zeros, mask = torch.zeros(2), torch.ones(40, 1, dtype=torch.bool)
    scores = (emissions, zeros, transitions, zeros)
    found = expectations(*scores, mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LONG", 10**9)
        expected = expectations(*(score.double() for score in scores), mask)
    torch.testing.assert_close(found.tags.double(), expected.tags, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("value", [-torch.inf, torch.nan])
def test_what_has_no_path_is_left_to_log_space(monkeypatch, value):
    fallen = []
    monkeypatch.setattr(log_partition, "_in_log_space", lambda *args: fallen.append(1))
    emissions = torch.zeros(40, 2, K)
    emissions[13, 1] = value
    zeros, mask = torch.zeros(K), torch.ones(40, 2, dtype=torch.bool)
    expectations(emissions, zeros, torch.zeros(K, K), zeros, mask)
    assert fallen
