import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model import long_lstm, network, pieces, viterbi
from spacy_bilstm_crf.model.network import BiLSTMCRF
from spacy_bilstm_crf.model.pieces import cut, settle
from spacy_bilstm_crf.model.viterbi import viterbi as decode

K = 5

Lengths = st.lists(st.integers(1, 60), min_size=1, max_size=5)


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "LONG", 20)
    monkeypatch.setattr(long_lstm, "LONG", 20)
    for module in (long_lstm, viterbi):
        monkeypatch.setattr(module, "PIECE", 8)
    monkeypatch.setattr(long_lstm, "BLOCK", 24)
    monkeypatch.setattr(viterbi, "WARM_UP", 2)


def make_network(depth=2):
    torch.manual_seed(0)
    return BiLSTMCRF(
        width=4, hidden_width=3, depth=depth, decoder="crf", num_tags=1 + 4 * 1
    )


def prefix_mask(lengths):
    return torch.arange(max(lengths)).unsqueeze(1) < torch.tensor(lengths)


@given(lengths=Lengths, steps=st.integers(1, 70), data=st.data())
def test_each_token_is_in_one_piece_at_its_place(lengths, steps, data):
    shape = (max(lengths), len(lengths))
    pieces = cut(torch.tensor(lengths), shape[0], steps)
    begin, stop = sorted(data.draw(st.tuples(*[st.integers(0, steps)] * 2)))
    backward = data.draw(st.booleans())
    # Sequence and step of each row; none behind the ends.
    where = [divmod(row, shape[1])[::-1] for row in range(shape[0] * shape[1])] + [None]
    found = {(c, i): [] for c, length in enumerate(lengths) for i in range(length)}
    every = torch.arange(len(pieces.columns))
    for first, last in ((0, begin), (begin, stop), (stop, steps)):
        for row in pieces.rows(every, first, last, backward):
            for piece, place in enumerate(row.tolist()):
                if where[place] is not None:
                    found[where[place]].append(piece)
    for column, length in enumerate(lengths):
        laid = [found[column, i] for i in range(length)]
        assert all(len(piece) == 1 for piece in laid)
        in_order = [piece for (piece,) in (laid[::-1] if backward else laid)]
        base = in_order[0]
        assert in_order == [base + i // steps for i in range(length)]
        assert pieces.begin[base]
        assert pieces.end[in_order[-1]]
    assert pieces.begin.sum() == pieces.end.sum() == len(lengths)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize(
    "lengths", [[20], [24], [25], [61], [61, 25, 3], [40] * 3, [30] * 17]
)
@torch.no_grad()
def test_long_sequences_are_scored_as_short_ones_are(monkeypatch, depth, forgets, lengths):
    model = make_network(depth)
    for lstm in (*model.bilstm.forwards, *model.bilstm.backwards):
        # Forget gates that are always open keep the state for ever, shut ones lose it.
        lstm.bias_ih_l0[3:6] = -9.0 if forgets else 9.0
    x = torch.randn(max(lengths), len(lengths), 4)
    found = model.emissions(x, torch.tensor(lengths))
    # What the decoder adds up there must be numbers.
    assert torch.isfinite(found).all()
    monkeypatch.setattr(network, "score_long", None)
    monkeypatch.setattr(long_lstm, "LONG", 10**9)
    expected = model.emissions(x, torch.tensor(lengths))
    mask = prefix_mask(lengths)
    torch.testing.assert_close(found[mask], expected[mask], rtol=0, atol=1e-5)


@pytest.mark.parametrize("what", ["gradients", "dropout", "bfloat16", "no layers"])
def test_what_stays_with_the_plain_lstm(monkeypatch, what):
    monkeypatch.setattr(network, "score_long", None)
    model = make_network(0 if what == "no layers" else 1)
    x, lengths = torch.randn(30, 1, 4), torch.tensor([30])
    with (
        torch.set_grad_enabled(what == "gradients"),
        torch.autocast("cpu", torch.bfloat16, enabled=what == "bfloat16"),
    ):
        scores = model.emissions(x, lengths, dropout=0.5 if what == "dropout" else 0.0)
    assert scores.shape == (30, 1, K)


@pytest.mark.parametrize("length", [10, 30])
def test_many_tokens_are_as_good_as_long_sequences(monkeypatch, length):
    scored = []
    monkeypatch.setattr(long_lstm, "LONG", 10**9)
    monkeypatch.setattr(long_lstm, "MANY", 80)
    monkeypatch.setattr(network, "score_long", lambda *args: scored.append(1))
    with torch.no_grad():
        make_network().emissions(torch.randn(length, 4, 4), torch.tensor([length] * 4))
    assert bool(scored) == (length == 30)


def count_steps(model, x):
    """RETURNS (List[int]): Pieces times steps of each block that an LSTM runs."""
    counts = []
    for lstm in (*model.bilstm.forwards, *model.bilstm.backwards):
        lstm.register_forward_pre_hook(
            lambda _, args: counts.append(args[0].shape[0] * args[0].shape[1])
        )
    with torch.no_grad():
        model.emissions(x, torch.tensor([len(x)]))
    return counts


@pytest.mark.parametrize("forgets", [True, False])
def test_pieces_run_again_until_nothing_changes(forgets):
    model = make_network(1)
    for lstm in (*model.bilstm.forwards, *model.bilstm.backwards):
        with torch.no_grad():
            lstm.bias_ih_l0[3:6] = -20.0 if forgets else 20.0
            lstm.weight_hh_l0.zero_()
    steps = sum(count_steps(model, torch.randn(64, 1, 4)))
    if forgets:
        # All 8 pieces of 8 steps, and one more block of all but the first.
        assert steps == 2 * (64 + 7 * 3)
    else:
        assert steps > 2 * (64 + 28)


@pytest.mark.parametrize(("length", "pieces"), [(31, 1), (32, 4), (400, 16)])
def test_few_pieces_are_not_worth_their_second_runs(length, pieces):
    model, widths = make_network(1), []
    model.bilstm.forwards[0].register_forward_pre_hook(
        lambda _, args: widths.append(args[0].shape[1])
    )
    with torch.no_grad():
        model.emissions(torch.randn(length, 1, 4), torch.tensor([length]))
    assert widths[0] == pieces


@given(
    lengths=st.lists(st.integers(1, 60), max_size=3),
    longest=st.integers(20, 60),
    seed=st.integers(0, 10**6),
    sharpness=st.sampled_from([0.01, 1.0, 10.0]),
    density=st.sampled_from([0.5, 1.0]),
)
def test_viterbi_in_pieces_is_the_plain_viterbi(lengths, longest, seed, sharpness, density):
    torch.manual_seed(seed)
    lengths = [longest, *lengths]
    # Sharp transitions and weak emissions: what came long before decides.
    emissions = torch.randn(max(lengths), len(lengths), K)
    transitions = sharpness * torch.randn(K, K)
    transitions[torch.rand(K, K) > density] = -torch.inf
    transitions.fill_diagonal_(0.0)
    start, end = torch.randn(2, K)
    found = decode(emissions, start, transitions, end, prefix_mask(lengths))
    for column, length in enumerate(lengths):
        # Alone, step by step.
        alone = emissions[:length, column : column + 1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pieces, "LONG", 10**9)
            scores = (t.double() for t in (alone, start, transitions, end))
            path = decode(*scores, prefix_mask([length]))
        assert torch.equal(found[:length, column], path[:, 0])
        assert not found[length:, column].any()


def test_small_differences_decide_a_long_path():
    emissions = torch.zeros(40, 1, 2)
    emissions[0, 0, 1] = 0.05
    transitions = -50 * (1 - torch.eye(2))
    zeros = torch.zeros(2)
    assert decode(emissions, zeros, transitions, zeros, prefix_mask([40])).all()


def test_guesses_spare_a_second_run(monkeypatch):
    runs = []
    add = viterbi.add_best_scores
    monkeypatch.setattr(
        viterbi,
        "add_best_scores",
        lambda *args: [runs.append(args[0].shape[2]), add(*args)][1],
    )
    zeros = torch.zeros(K)
    # Each step forgets what was before it.
    decode(torch.randn(40, 1, K), zeros, torch.zeros(K, K), zeros, prefix_mask([40]))
    assert runs == [5, 5]


def test_few_pieces_side_by_side_where_there_are_many_tags(monkeypatch):
    monkeypatch.setattr(viterbi, "CELLS", 4 * K * K)
    shapes = []
    add = viterbi.add_best_scores
    monkeypatch.setattr(
        viterbi,
        "add_best_scores",
        lambda *args: [shapes.append(args[0].shape), add(*args)][1],
    )
    zeros = torch.zeros(K)
    decode(torch.randn(64, 2, K), zeros, torch.zeros(K, K), zeros, prefix_mask([64] * 2))
    assert max(shape[2] for shape in shapes) == 4


@pytest.mark.parametrize("value", [-torch.inf, torch.nan])
@pytest.mark.parametrize("step", [0, 7, 8, 13, 30, 39])
@pytest.mark.parametrize("column", [0, 1])
def test_viterbi_in_pieces_tells_of_no_path(value, step, column):
    emissions = torch.zeros(40, 2, K)
    emissions[step, column] = value
    zeros, mask = torch.zeros(K), torch.ones(40, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="no best path"):
        decode(emissions, zeros, torch.zeros(K, K), zeros, mask)


@pytest.mark.parametrize("long", [100, 10**9])
def test_long_sums_of_scores_stay_exact(monkeypatch, long):
    monkeypatch.setattr(pieces, "LONG", long)
    torch.manual_seed(0)
    emissions = 100 + torch.randn(20_000, 2, K)
    mask = torch.ones(20_000, 2, dtype=torch.bool)
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
    settle(run, states, torch.arange(7) == 0, 0.1)
    if forgets:
        assert states.flatten().tolist() == [0, 1, 10, 100, 1e3, 1e4, 1e5]
        assert runs == [[*range(7)], [2, 4, 5, 6]]
    else:
        assert states.flatten().tolist() == [0, 1, 11, 111, 1111, 11111, 111111]
        assert max(map(len, runs[4:])) == 1
        assert sum(map(len, runs)) <= 4 * 7 + 7


def test_sequences_do_not_wait_for_each_other():
    runs = []

    def run(index, states):
        runs.append(index.tolist())
        return states + 10.0 ** (index % 8).unsqueeze(1)

    known = torch.arange(16) % 8 == 0
    states = torch.zeros(16, 1)
    settle(run, states, known, 0.1)
    assert states[:8].flatten().tolist() == states[8:].flatten().tolist()
    assert states[7] == 1111111
    assert {len(index) for index in runs[4:]} == {2}


def test_known_states_depend_on_no_other_piece():
    runs = []

    def run(index, states):
        runs.append(index.tolist())
        return states + 1.0

    states = torch.zeros(4, 1)
    settle(run, states, torch.tensor([True, False, True, False]), 0.1)
    assert states.flatten().tolist() == [0, 1, 0, 1]
    assert runs == [[0, 1, 2, 3], [1, 3]]
