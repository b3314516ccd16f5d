import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from spacy_bilstm_crf.model.bilstm import BiLSTM, drop, reversal_index, reverse


def make_pair(width, hidden_width, depth):
    """Make a BiLSTM and torch's own with the same weights."""
    torch.manual_seed(0)
    ours = BiLSTM(width, hidden_width, depth)
    theirs = torch.nn.LSTM(width, hidden_width, depth, bidirectional=True)
    for layer in range(depth):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            for suffix, modules in (("", ours.forwards), ("_reverse", ours.backwards)):
                parameter = getattr(theirs, f"{name}_l{layer}{suffix}")
                parameter.data = getattr(modules[layer], f"{name}_l0").data.clone()
    return ours, theirs


def run_packed(lstm, x, lengths):
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    return pad_packed_sequence(lstm(packed)[0], total_length=x.shape[0])[0]


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    depth=st.integers(1, 3),
)
@settings(max_examples=25, deadline=None)
def test_equals_packed_lstm_forward_and_backward(lengths, depth):
    ours, theirs = make_pair(4, 3, depth)
    lengths = torch.tensor(lengths)
    x = torch.randn(int(lengths.max()), len(lengths), 4)
    mask = (torch.arange(x.shape[0]).unsqueeze(1) < lengths).unsqueeze(-1)
    weight = torch.randn(x.shape[0], len(lengths), 6) * mask
    grads = []
    outputs = []
    for run, module in ((ours, ours), (lambda x, n: run_packed(theirs, x, n), theirs)):
        leaf = x.clone().requires_grad_()
        y = run(leaf, lengths) * mask
        (y * weight).sum().backward()
        outputs.append(y)
        grads.append((leaf.grad, module))
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(grads[0][0], grads[1][0], atol=1e-5, rtol=1e-5)
    for layer in range(depth):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            for suffix, modules in (("", ours.forwards), ("_reverse", ours.backwards)):
                torch.testing.assert_close(
                    getattr(modules[layer], f"{name}_l0").grad,
                    getattr(theirs, f"{name}_l{layer}{suffix}").grad,
                    atol=1e-5,
                    rtol=1e-5,
                )


def lstm_by_equations(lstm, x):
    """One direction over one sequence, gate by gate (Hochreiter & Schmidhuber 1997, with
    the forget gate of Gers et al. 2000). x has shape (T, width)."""
    size = lstm.hidden_size
    w_ih, w_hh = lstm.weight_ih_l0, lstm.weight_hh_l0
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    # torch lays the gates out as input, forget, candidate, output.
    at_input, at_forget, at_candidate, at_output = (
        slice(i * size, (i + 1) * size) for i in range(4)
    )

    def gate(rows, x_t, h):
        return w_ih[rows] @ x_t + w_hh[rows] @ h + bias[rows]

    h, cell = torch.zeros(size), torch.zeros(size)
    hidden = []
    for x_t in x:
        forget_gate = torch.sigmoid(gate(at_forget, x_t, h))
        input_gate = torch.sigmoid(gate(at_input, x_t, h))
        candidate = torch.tanh(gate(at_candidate, x_t, h))
        cell = forget_gate * cell + input_gate * candidate
        output_gate = torch.sigmoid(gate(at_output, x_t, h))
        h = output_gate * torch.tanh(cell)
        hidden.append(h)
    return torch.stack(hidden)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_equals_the_six_gate_equations(depth):
    torch.manual_seed(1)
    bilstm = BiLSTM(4, 3, depth)
    lengths = torch.tensor([5, 1, 3])
    x = torch.randn(5, 3, 4)
    y = bilstm(x, lengths)
    for column, length in enumerate(lengths.tolist()):
        expected = x[:length, column]
        for forwards, backwards in zip(bilstm.forwards, bilstm.backwards, strict=True):
            ahead = lstm_by_equations(forwards, expected)
            behind = lstm_by_equations(backwards, expected.flip(0)).flip(0)
            expected = torch.cat((ahead, behind), dim=-1)
        torch.testing.assert_close(y[:length, column], expected, atol=1e-5, rtol=1e-5)


def test_vectors_do_not_depend_on_padding():
    bilstm = BiLSTM(4, 3, 2)
    x = torch.randn(9, 2, 4)
    alone = bilstm(x[:3, :1], torch.tensor([3]))
    batched = bilstm(x, torch.tensor([3, 9]))
    torch.testing.assert_close(alone[:, 0], batched[:3, 0], atol=1e-6, rtol=1e-6)


def test_depth_0_is_the_identity():
    bilstm = BiLSTM(4, 3, 0)
    x = torch.randn(2, 2, 4)
    assert bilstm.width_out == 4
    assert bilstm(x, torch.tensor([2, 1])) is x


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_reversal_is_its_own_inverse_and_leaves_padding(lengths):
    num_steps = max(lengths)
    x = torch.arange(float(num_steps * len(lengths))).view(num_steps, len(lengths), 1)
    index = reversal_index(torch.tensor(lengths), num_steps)
    turned = reverse(x, index)
    torch.testing.assert_close(reverse(turned, index), x)
    for column, length in enumerate(lengths):
        torch.testing.assert_close(turned[:length, column], x[:length, column].flip(0))
        torch.testing.assert_close(turned[length:, column], x[length:, column])


def test_locked_dropout_drops_the_same_units_at_every_step():
    torch.manual_seed(0)
    dropped = drop(torch.ones(7, 3, 50), 0.5, locked=True)
    assert (dropped == dropped[0]).all()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0, 0], dropped[0, 1])


def test_plain_dropout_draws_anew_at_every_step():
    torch.manual_seed(0)
    dropped = drop(torch.ones(7, 3, 50), 0.5, locked=False)
    assert not torch.equal(dropped[0], dropped[1])


@pytest.mark.parametrize("locked", [True, False])
def test_dropout_between_layers_reaches_the_second_layer(locked):
    torch.manual_seed(0)
    bilstm = BiLSTM(4, 30, 2)
    x, lengths = torch.randn(5, 2, 4), torch.tensor([5, 4])
    assert torch.equal(bilstm(x, lengths), bilstm(x, lengths))
    assert not torch.equal(bilstm(x, lengths, 0.5, locked), bilstm(x, lengths, 0.5, locked))
    # One layer has nothing between layers.
    one = BiLSTM(4, 30, 1)
    assert torch.equal(one(x, lengths, 0.5, locked), one(x, lengths))
