import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model import bilstm, pieces, viterbi
from spacy_bilstm_crf.model.bilstm import BiLSTM
from spacy_bilstm_crf.model.pieces import cut, join, settle
from spacy_bilstm_crf.model.viterbi import viterbi as decode

K = 5


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    for module in (pieces, bilstm, viterbi):
        monkeypatch.setattr(module, "LONG", 20)
    monkeypatch.setattr(pieces, "PIECE", 8)
    monkeypatch.setattr(pieces, "BLOCK", 3)
    monkeypatch.setattr(pieces, "WARM_UP", 5)
    monkeypatch.setattr(viterbi, "WARM_UP", 2)


@pytest.fixture
def plainly(monkeypatch):
    """Run something without cutting."""

    def run(function, *args):
        with monkeypatch.context() as patch:
            for module in (bilstm, viterbi):
                patch.setattr(module, "LONG", 10**9)
            return function(*args)

    return run


@given(st.integers(1, 60))
def test_cut_and_join_are_inverse(steps):
    x = torch.arange(float(2 * steps)).view(steps, 1, 2)
    assert torch.equal(join(cut(x), steps), x)


@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("steps", [19, 20, 24, 25, 61])
@torch.no_grad()
def test_lstm_in_pieces_is_the_plain_lstm(plainly, forgets, steps):
    torch.manual_seed(0)
    network = BiLSTM(width=4, hidden_width=3, depth=2)
    for lstm in (*network.forwards, *network.backwards):
        # Forget gates that are always open keep the state for ever, shut ones lose it.
        lstm.bias_ih_l0[3:6] = -9.0 if forgets else 9.0
    x, lengths = torch.randn(steps, 1, 4), torch.tensor([steps])
    torch.testing.assert_close(
        *(network(x, lengths), plainly(network, x, lengths)), rtol=0, atol=1e-5
    )


def test_gradients_come_from_the_plain_lstm(monkeypatch):
    monkeypatch.setattr(bilstm, "lstm_in_pieces", None)
    network = BiLSTM(width=4, hidden_width=3, depth=1)
    network(torch.randn(30, 1, 4), torch.tensor([30])).sum().backward()
    assert network.forwards[0].weight_ih_l0.grad is not None


@torch.no_grad()
def test_bfloat16_is_not_cut(monkeypatch):
    monkeypatch.setattr(bilstm, "lstm_in_pieces", None)
    network = BiLSTM(width=4, hidden_width=3, depth=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.randn(30, 1, 4), torch.tensor([30])).shape == (30, 1, 6)


@given(
    steps=st.integers(20, 60),
    seed=st.integers(0, 10**6),
    sharpness=st.sampled_from([0.01, 1.0, 10.0]),
    density=st.sampled_from([0.5, 1.0]),
)
def test_viterbi_in_pieces_is_the_plain_viterbi(steps, seed, sharpness, density):
    torch.manual_seed(seed)
    # Sharp transitions and weak emissions: what came long before decides.
    emissions = torch.randn(steps, 1, K)
    transitions = sharpness * torch.randn(K, K)
    transitions[torch.rand(K, K) > density] = -torch.inf
    transitions.fill_diagonal_(0.0)
    start, end = torch.randn(2, K)
    mask = torch.ones(steps, 1, dtype=torch.bool)
    whole = decode(
        *(t.double() for t in (emissions.repeat(1, 2, 1), start, transitions, end)),
        mask.repeat(1, 2),
    )
    found = decode(emissions, start, transitions, end, mask)
    assert torch.equal(found[:, 0], whole[:, 0])


@pytest.mark.parametrize("value", [-torch.inf, torch.nan])
@pytest.mark.parametrize("step", [0, 7, 8, 13, 30, 39])
def test_viterbi_in_pieces_tells_of_no_path(value, step):
    emissions = torch.zeros(40, 1, K)
    emissions[step] = value
    zeros, mask = torch.zeros(K), torch.ones(40, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="no best path"):
        decode(emissions, zeros, torch.zeros(K, K), zeros, mask)


@pytest.mark.parametrize("sequences", [1, 2])
def test_long_sums_of_scores_stay_exact(sequences):
    torch.manual_seed(0)
    emissions = 100 + torch.randn(20_000, sequences, K)
    mask = torch.ones(20_000, sequences, dtype=torch.bool)
    args = (emissions, torch.randn(K), torch.randn(K, K), torch.randn(K), mask)
    exact = decode(*(t.double() if t.is_floating_point() else t for t in args))
    # Some hundred differ where scores are summed to the end.
    assert (decode(*args) != exact).sum() <= 3


@pytest.mark.parametrize("forgets", [True, False])
def test_only_pieces_with_wrong_guesses_run_again(forgets):
    runs = []

    def run(index, states):
        runs.append(index.tolist())
        inputs = 10.0 ** index.unsqueeze(1)
        return inputs if forgets else states + inputs

    states = torch.tensor([[0.0], [1.0], [5.0], [100.0], [9.0], [9.0], [9.0]])
    settle(run, states, 0.1)
    if forgets:
        assert states.flatten().tolist() == [0, 1, 10, 100, 1e3, 1e4, 1e5]
        assert runs == [[*range(7)], [2, 4, 5, 6]]
    else:
        assert states.flatten().tolist() == [0, 1, 11, 111, 1111, 11111, 111111]
        assert max(map(len, runs[4:])) == 1
        assert sum(map(len, runs)) <= 4 * 7 + 7
