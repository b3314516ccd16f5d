import numpy
import pytest
from thinc.api import SGD, Adam, Linear

from spacy_bilstm_crf.training.arrays import load_arrays, save_arrays
from spacy_bilstm_crf.training.weights import _of_layer


def make(optimizer, shape=(3, 2), steps=2):
    """A layer and its weights by name, updated a few times."""
    model = Linear(*shape)
    model.initialize()
    rng = numpy.random.default_rng(shape[0])
    for _ in range(steps):
        X = rng.random((4, shape[1]), dtype="float32")
        Y, backprop = model.begin_update(X)
        backprop(Y - 1.0)
        model.finish_update(optimizer)
    return model, dict(_of_layer(model))


def test_weights_and_what_the_optimizer_knows_come_back_under_other_keys(tmp_path):
    optimizer, other = Adam(0.1), Adam(0.1)
    model, weights = make(optimizer)
    save_arrays(tmp_path, weights, optimizer)
    copied, theirs = make(other, steps=0)
    load_arrays(tmp_path, theirs, other)
    numpy.testing.assert_array_equal(copied.get_param("W"), model.get_param("W"))
    for slot in ("mom1", "mom2", "averages"):
        assert set(getattr(other, slot)) == {(copied.id, "W"), (copied.id, "b")}
        for name in ("W", "b"):
            saved = getattr(optimizer, slot)[model.id, name]
            numpy.testing.assert_array_equal(getattr(other, slot)[copied.id, name], saved)


def test_what_is_loaded_can_be_trained(tmp_path):
    optimizer = Adam(0.1)
    model, weights = make(optimizer)
    save_arrays(tmp_path, weights, optimizer)
    load_arrays(tmp_path, weights, optimizer)
    for array in (
        model.get_param("W"),
        *optimizer.mom1.values(),
        *optimizer.averages.values(),
    ):
        array += 1.0


def test_an_optimizer_without_averages_has_none_afterwards(tmp_path):
    optimizer = SGD(0.1, use_averages=False)
    _, weights = make(optimizer)
    save_arrays(tmp_path, weights, optimizer)
    load_arrays(tmp_path, weights, optimizer)
    assert optimizer.averages is None
    assert optimizer.mom1 == {}


def test_arrays_of_another_shape_are_refused_and_change_nothing(tmp_path):
    optimizer = Adam(0.1)
    _, weights = make(optimizer)
    save_arrays(tmp_path, weights, optimizer)
    other, theirs = make(optimizer, shape=(4, 2))
    before = other.to_bytes()
    with pytest.raises(ValueError, match=r"W has the shape \(3, 2\), and \(4, 2\) is"):
        load_arrays(tmp_path, theirs, optimizer)
    theirs.pop("W")
    with pytest.raises(ValueError, match=r"W has the shape \(3, 2\), and None is"):
        load_arrays(tmp_path, theirs, optimizer)
    assert other.to_bytes() == before


@pytest.mark.parametrize("name", ["weights", "mom2", "averages"])
@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: b"", None])
def test_a_broken_file_is_one_clear_error_and_changes_nothing(tmp_path, name, damage):
    optimizer = Adam(0.1)
    model, weights = make(optimizer)
    save_arrays(tmp_path, weights, optimizer)
    path = tmp_path / f"{name}.safetensors"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    model.get_param("W")[:] = 5.0
    before = model.to_bytes()
    with pytest.raises(ValueError, match=f"{name}.safetensors cannot be read"):
        load_arrays(tmp_path, weights, optimizer)
    assert model.to_bytes() == before
