import pytest
import torch

from spacy_bilstm_crf.model.grow import TAG_DIMS, carry_over
from spacy_bilstm_crf.model.network import BiLSTMCRF
from spacy_bilstm_crf.model.shim import BiLSTMCRFShim
from spacy_bilstm_crf.tags import source_tags, tag_names

SETTINGS = {"width": 3, "hidden_width": 4, "depth": 1}
OLD, NEW = ["b", "d"], ["a", "b", "c", "d", "e"]
NAMES = {"old": tag_names(OLD), "new": tag_names(NEW)}


def make_network(labels, decoder="crf", scale=1.0):
    torch.manual_seed(len(labels))
    settings = {**SETTINGS, "decoder": decoder, "num_tags": len(tag_names(labels))}
    network = BiLSTMCRF(**settings)
    with torch.no_grad():
        for parameter in network.parameters():
            # Like a trained one: far from the start.
            parameter.copy_(scale * torch.randn(parameter.shape))
    return network


def grown(old, labels=NEW, *, decoder="crf", margin=3.0, known=OLD):
    new = make_network(labels, decoder)
    carry_over(old, new, torch.from_numpy(source_tags(known, labels)), margin)
    return new


def vectors_and_lengths():
    torch.manual_seed(0)
    lengths = torch.randint(1, 13, (200,)).sort(descending=True).values
    return torch.randn(12, 200, 3), lengths


def by_name(network, names):
    """Every weight that counts tags, under the names of its tags."""
    values = {}
    for weight, value in network.state_dict().items():
        if TAG_DIMS.get(weight) == 1:
            values.update({(weight, a): value[i] for i, a in enumerate(names)})
        elif TAG_DIMS.get(weight) == 2:
            for i, a in enumerate(names):
                values.update({(weight, a, b): value[i, j] for j, b in enumerate(names)})
        else:
            values[weight,] = value
    return values


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_weights_are_carried_over_by_name(decoder):
    old = make_network(OLD, decoder)
    new = by_name(grown(old, decoder=decoder), NAMES["new"])
    for key, value in by_name(old, NAMES["old"]).items():
        assert torch.equal(new[key], value), key


def test_every_weight_whose_shape_depends_on_the_tags_is_listed():
    for decoder in ("crf", "softmax"):
        old, new = (make_network(labels, decoder).state_dict() for labels in (OLD, NEW))
        differ = {name for name in old if old[name].shape != new[name].shape}
        assert differ == {name for name in TAG_DIMS if name in old}


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("margin", [0.01, 3.0, float("inf")])
def test_the_best_paths_are_those_of_the_old_network(decoder, margin):
    old = make_network(OLD, decoder)
    vectors, lengths = vectors_and_lengths()
    expected = old(vectors, lengths)
    assert len(expected.unique()) > 4
    names = [[NAMES["old"][tag] for tag in tags] for tags in expected.tolist()]
    found = grown(old, decoder=decoder, margin=margin)(vectors, lengths)
    assert [[NAMES["new"][tag] for tag in tags] for tags in found.tolist()] == names


def test_new_tags_score_less_than_outside_by_the_margin():
    vectors, lengths = vectors_and_lengths()
    emissions = grown(make_network(OLD), margin=2.0).emissions(vectors, lengths)
    for tag, name in enumerate(NAMES["new"]):
        if name not in NAMES["old"]:
            gap = emissions[..., 0] - emissions[..., tag]
            torch.testing.assert_close(gap, torch.full_like(gap, 2.0), atol=1e-4, rtol=0)


def test_new_tags_can_be_made_impossible():
    vectors, lengths = vectors_and_lengths()
    old = make_network(OLD)
    new = grown(old, margin=float("inf"))
    ids = [NAMES["new"].index(name) for name in NAMES["old"]]
    allowed = torch.zeros(12, 200, 21, dtype=torch.bool)
    allowed[..., ids] = True
    losses = new(vectors, lengths, allowed, loss=True)
    torch.testing.assert_close(losses, torch.zeros(200), atol=1e-4, rtol=0)


def test_labels_in_two_steps_are_labels_in_one():
    old = make_network(OLD)
    twice = grown(grown(old, ["a", *OLD]), known=["a", *OLD])
    once = grown(old).state_dict()
    assert all(torch.equal(value, once[name]) for name, value in twice.state_dict().items())


def test_a_shim_that_has_grown_saves_and_loads():
    shim = BiLSTMCRFShim()
    shim.build({**SETTINGS, "decoder": "crf", "num_tags": 9})
    before = shim.id
    shim.grow(source_tags(OLD, NEW), 3.0)
    assert shim.id != before
    assert shim.cfg["num_tags"] == 21
    loaded = BiLSTMCRFShim().from_bytes(shim.to_bytes())
    assert loaded.to_bytes() == shim.to_bytes()
    assert loaded.network.scorer.weight.shape == (21, 8)
