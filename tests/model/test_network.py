import itertools

import pytest
import torch

from spacy_bilstm_crf.model.network import BiLSTMCRF
from spacy_bilstm_crf.tags import legal_tags

T, B, K = 6, 4, 9
LENGTHS = torch.tensor([6, 1, 3, 2])


def make_network(**settings):
    torch.manual_seed(0)
    settings = {"width": 5, "hidden_width": 7, "depth": 1, "decoder": "crf", **settings}
    return BiLSTMCRF(num_tags=K, **settings)


def batch(seed=0):
    torch.manual_seed(seed)
    allowed = torch.zeros(T, B, K, dtype=torch.bool)
    allowed[..., 0] = True
    return torch.randn(T, B, 5), LENGTHS, allowed


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_gives_a_loss_per_sequence_or_tags(decoder, depth):
    network = make_network(decoder=decoder, depth=depth)
    vectors, lengths, allowed = batch()
    loss = network(vectors, lengths, allowed, loss=True)
    assert loss.shape == (B,)
    assert (loss > 0).all()
    tags = network(vectors, lengths)
    assert tags.shape == (T, B)
    assert tags.dtype == torch.int64


def test_depth_0_has_no_lstm():
    network = make_network(depth=0)
    names = [name for name, _ in network.named_parameters()]
    assert not [name for name in names if "bilstm" in name]
    vectors, lengths, _ = batch()
    emissions = network.emissions(vectors, lengths)
    torch.testing.assert_close(emissions, network.scorer(vectors))


def test_without_gold_nothing_is_lost():
    vectors, lengths, _ = batch()
    assert make_network()(vectors, lengths, loss=True).tolist() == [0.0] * B


def test_dropout_comes_before_and_after_the_lstm():
    network = make_network(hidden_width=50)
    inputs = {}

    def hook(name):
        return lambda module, args, output: inputs.update({name: args[0]})

    network.bilstm.register_forward_hook(hook("before"))
    network.scorer.register_forward_hook(hook("after"))
    vectors, lengths, _ = batch()
    network.emissions(vectors, lengths, dropout=0.5)
    for name in ("before", "after"):
        assert 0.3 < (inputs[name] == 0).float().mean() < 0.7, name


@pytest.mark.parametrize("depth", [0, 1])
def test_dropout_is_an_argument(depth):
    network = make_network(depth=depth)
    vectors, lengths, _ = batch()
    plain = network.emissions(vectors, lengths)
    assert torch.equal(plain, network.emissions(vectors, lengths))
    dropped = network.emissions(vectors, lengths, dropout=0.5, locked=True)
    assert not torch.equal(plain, dropped)


def test_dropout_is_applied_once_without_an_lstm():
    network = make_network(depth=0)
    seen = []
    network.scorer.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    network.emissions(torch.ones(4, 50, 5), torch.tensor([4] * 50), dropout=0.5)
    # Units that survive have twice their value; applied twice, four times.
    assert set(seen[0].unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_tags_are_legal_and_allowed(decoder):
    network = make_network(decoder=decoder)
    legal = legal_tags(2)
    for seed in range(20):
        vectors, lengths, _ = batch(seed)
        allowed = torch.ones(T, B, K, dtype=torch.bool)
        allowed[0, 0] = False
        allowed[0, 0, 1] = True
        tags = network(vectors * 9, lengths, allowed)
        assert tags[0, 0] == 1
        for path, length in zip(tags.T.tolist(), lengths.tolist(), strict=True):
            path = path[:length]
            assert legal.start[path[0]]
            assert legal.end[path[-1]]
            assert all(legal.transitions[a, b] for a, b in itertools.pairwise(path))


def test_softmax_loss_is_cross_entropy_of_single_tokens():
    network = make_network(decoder="softmax")
    vectors, lengths, _ = batch()
    tags = torch.randint(K, (T, B))
    allowed = torch.nn.functional.one_hot(tags, K).bool()
    emissions = network.emissions(vectors, lengths)
    losses = torch.nn.functional.cross_entropy(
        emissions.transpose(1, 2), tags, reduction="none"
    )
    expected = torch.stack([losses[:n, i].sum() for i, n in enumerate(lengths.tolist())])
    torch.testing.assert_close(network(vectors, lengths, allowed, loss=True), expected)


def test_no_parameter_has_a_name_that_thinc_layers_use_or_no_dimension():
    # Both count their ids in the same key space of the optimizer, which cannot take
    # numbers without a dimension.
    for decoder in ("crf", "softmax"):
        for name, parameter in make_network(decoder=decoder).named_parameters():
            assert name not in ("E", "W", "b", "G")
            assert parameter.dim() > 0


def test_the_crf_stays_in_float32_under_autocast():
    network = make_network()
    vectors, lengths, allowed = batch()
    seen = []
    original = network.decoder.nll

    def nll(emissions, *args):
        # A product of float32 matrices would come out in 16 bits under autocast.
        seen.append((torch.eye(2) @ torch.eye(2)).dtype)
        return original(emissions, *args)

    network.decoder.nll = nll
    with torch.autocast("cpu", torch.bfloat16):
        assert network.emissions(vectors, lengths).dtype == torch.bfloat16
        loss = network(vectors, lengths, allowed, loss=True)
    assert seen == [torch.float32]
    assert loss.dtype == torch.float32
    network.decoder.nll = original
    expected = network(vectors, lengths, allowed, loss=True)
    torch.testing.assert_close(loss, expected, rtol=0.02, atol=0.05)


@torch.no_grad()
def test_padding_is_not_forbidden(monkeypatch):
    """Forbidden tags have the slower decoding."""
    network = make_network()
    seen = []
    monkeypatch.setattr(
        network.decoder, "best_tags", lambda emissions, mask: seen.append(emissions)
    )
    vectors, lengths, allowed = batch()
    inside = torch.arange(T).unsqueeze(1) < lengths
    network(vectors, lengths, inside.unsqueeze(2).expand_as(allowed))
    assert torch.isfinite(seen[0]).all()
