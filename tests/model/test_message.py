import pickle
from contextlib import suppress

import pytest
import srsly
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from spacy_bilstm_crf.model import message
from spacy_bilstm_crf.model.message import read_message
from spacy_bilstm_crf.model.shim import BiLSTMCRFShim

SETTINGS = {"width": 3, "hidden_width": 4, "depth": 1, "decoder": "crf", "num_tags": 5}


def make_data(**changes):
    torch.manual_seed(0)
    shim = BiLSTMCRFShim()
    shim.build({**SETTINGS, **changes})
    return shim.to_bytes()


DATA = make_data()


def change(**changes):
    return srsly.msgpack_dumps({**srsly.msgpack_loads(DATA), **changes})


def change_weights(name, tensor):
    weights = load(srsly.msgpack_loads(DATA)["weights"])
    return change(weights=save({**weights, name: tensor}))


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_what_was_saved_is_read(decoder, depth):
    data = make_data(decoder=decoder, depth=depth)
    settings, network = read_message(data)
    assert settings == {**SETTINGS, "decoder": decoder, "depth": depth}
    saved = load(srsly.msgpack_loads(data)["weights"])
    assert saved.keys() == network.state_dict().keys()
    assert all(torch.equal(saved[name], x) for name, x in network.state_dict().items())


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", DATA[:-1], DATA + b"x", b"\xff" * 9, srsly.msgpack_dumps([1, 2])],
)
def test_other_bytes_are_one_clear_error(data):
    with pytest.raises(ValueError, match=r"^no BiLSTM-CRF, or a damaged one \(no message"):
        read_message(data)


def test_a_pickle_is_not_run():
    with pytest.raises(ValueError, match="no BiLSTM-CRF"):
        read_message(pickle.dumps(print))
    with pytest.raises(ValueError, match="its weights cannot be read"):
        read_message(change(weights=pickle.dumps(print)))


@pytest.mark.parametrize("weights", [None, b"", b"\xff" * 8 + b"{}", [1], "text"])
def test_weights_that_cannot_be_read_are_one_clear_error(weights):
    with pytest.raises(ValueError, match="its weights cannot be read"):
        read_message(change(weights=weights))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_tags": 9},
        {"num_tags": "5"},
        {"num_tags": None},
        {"hidden_width": None},
        {"depth": "1"},
        {"num_tags": -5},
        # Sizes that would fill any memory.
        {"num_tags": 1 + 4 * 10**9},
        {"hidden_width": 10**9},
        {"width": 10**12},
        {"depth": 10**9},
        {"depth": 2},
        {"depth": 0},
        {"decoder": "softmax"},
        {"decoder": "other"},
        {"decoder": []},
        {"more": 1},
    ],
    ids=str,
)
def test_settings_of_other_weights_are_one_clear_error(changes):
    with pytest.raises(ValueError, match="its settings do not fit its weights"):
        read_message(change(settings={**SETTINGS, **changes}))


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({"width": 3 * 10**7}, {"bilstm.forwards.0.weight_ih_l0": None}),
        ({"depth": 2}, {}),
        (
            {"hidden_width": 30000},
            {
                "bilstm.forwards.0.weight_ih_l0": torch.zeros(4 * 30000, 3),
                "bilstm.backwards.0.weight_ih_l0": torch.zeros(4 * 30000, 3),
                "scorer.weight": torch.zeros(5, 2 * 30000),
            },
        ),
        ({}, {"bilstm.backwards.0.weight_ih_l0": None}),
        ({"depth": 0, "width": 3 * 10**7}, {}),
        ({"decoder": "softmax", "num_tags": 40001}, {}),
        # Weights without columns take no room, whatever the number of their rows.
        (
            {"decoder": "softmax", "hidden_width": 0, "num_tags": 40001},
            {
                "scorer.weight": torch.zeros(40001, 0),
                "bilstm.forwards.0.weight_ih_l0": torch.zeros(0, 3),
                "bilstm.forwards.0.weight_hh_l0": torch.zeros(0, 0),
                "bilstm.backwards.0.weight_ih_l0": torch.zeros(0, 3),
                "bilstm.backwards.0.weight_hh_l0": torch.zeros(0, 0),
            },
        ),
        (
            {"num_tags": 40001},
            {
                "scorer.weight": torch.zeros(40001, 8),
                "scorer.bias": torch.zeros(40001),
            },
        ),
    ],
)
def test_nothing_larger_than_the_weights_is_built(monkeypatch, changes, weights):
    monkeypatch.setattr(message, "BiLSTMCRF", None)
    tensors = {**load(srsly.msgpack_loads(DATA)["weights"]), **weights}
    data = change(
        settings={**SETTINGS, **changes},
        weights=save({name: x for name, x in tensors.items() if x is not None}),
    )
    # safetensors before 0.5 cannot read arrays without content.
    reason = "its settings do not fit its weights|its weights cannot be read"
    with pytest.raises(ValueError, match=reason) as caught:
        read_message(data)
    # Not even tried: calling None would be a TypeError.
    assert not isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
@pytest.mark.parametrize("name", ["srsly.msgpack_loads", "load", "BiLSTMCRF"])
def test_a_lack_of_memory_is_no_damage(monkeypatch, name, error):
    def fail(*args, **kwargs):
        raise error

    *owners, name = name.split(".")
    monkeypatch.setattr(getattr(message, owners[0]) if owners else message, name, fail)
    with pytest.raises(MemoryError, match="not enough memory to load this BiLSTM-CRF"):
        read_message(DATA)


@pytest.mark.parametrize("settings", [None, [], {}, {"width": 3}])
def test_settings_that_are_none_are_one_clear_error(settings):
    with pytest.raises(ValueError, match="its settings do not fit its weights"):
        read_message(change(settings=settings))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value):
    bias = torch.tensor([0.0, 0.0, value, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"weights scorer.bias are no numbers"):
        read_message(change_weights("scorer.bias", bias))


@given(st.binary(max_size=40), st.integers(0, len(DATA)), st.integers(0, 40))
def test_whatever_the_bytes_there_is_a_network_or_a_clear_error(noise, start, length):
    with suppress(ValueError):
        _, network = read_message(DATA[:start] + noise + DATA[start + length :])
        assert network is None or network.scorer.weight.shape == (5, 8)
