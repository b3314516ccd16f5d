from types import SimpleNamespace

import numpy
import pytest
import torch
from thinc.api import SGD, Adam, Linear, PyTorchWrapper, chain, fix_random_seed

from spacy_bilstm_crf.training import optimizer as own
from spacy_bilstm_crf.training.ranks.optimizer import SumOptimizer
from spacy_bilstm_crf.training.ranks.pace import Pace
from spacy_bilstm_crf.training.weights import Weight, list_weights


def make_weight(key, shape):
    return Weight(
        key=key,
        read=lambda: numpy.zeros(shape, dtype="f"),
        write=lambda array: None,
        zero_grad=lambda: None,
        learns=True,
    )


def make_sums(ranks, inner, shapes):
    """RETURNS (SumOptimizer): It knows weights "0", "1" ... of these shapes."""
    sums = SumOptimizer(ranks, inner, Pace())
    sums.start({str(i): make_weight((1, str(i)), shape) for i, shape in enumerate(shapes)})
    return sums


def ones(*shape):
    return numpy.ones(shape, dtype="f")


def test_a_step_takes_the_sum_of_all_gradients(run_ranks):
    def work(ranks):
        sums = make_sums(ranks, SGD(0.5, grad_clip=0.0), [(2, 3), (3,)])
        weights, biases = ones(2, 3), ones(3)
        for _ in range(2):
            gradient = ones(2, 3) * (ranks.rank + 1)
            sums((1, "1"), biases, ones(3))
            sums((1, "0"), weights, gradient)
            assert not gradient.any()
            sums.step_schedules()
        return weights, biases

    for weights, biases in run_ranks(work, 3):
        assert (weights == 1 - 2 * 0.5 * 6).all()
        assert (biases == 1 - 2 * 0.5 * 3).all()


@pytest.mark.parametrize("create", [Adam, own.Adam])
def test_a_step_is_that_of_one_process_on_the_sums(run_ranks, create):
    rng = numpy.random.default_rng(0)
    gradients = rng.normal(size=(2, 4, 5, 3)).astype("f")
    settings = {"learn_rate": 0.1, "L2": 0.1, "grad_clip": 1.0}

    def work(ranks):
        inner, weights = create(**settings), ones(5, 3)
        sums = make_sums(ranks, inner, [(5, 3)])
        for gradient in gradients[ranks.rank]:
            sums((1, "0"), weights, gradient)
            sums.step_schedules()
        assert sums.averages is inner.averages
        assert sums.learn_rate == inner.learn_rate
        return weights, inner.averages[(1, "0")]

    inner, weights = create(**settings), ones(5, 3)
    for one, other in zip(*gradients, strict=True):
        inner((1, "0"), weights, one + other)
        inner.step_schedules()
    for found, averages in run_ranks(work):
        numpy.testing.assert_array_equal(found, weights)
        numpy.testing.assert_array_equal(averages, inner.averages[(1, "0")])


def test_weights_that_one_rank_keeps_back_are_left_out_by_all(run_ranks):
    # As a module does whose gradients overflow in 16 bits.
    def work(ranks):
        sums = make_sums(ranks, SGD(0.5, grad_clip=0.0), [(2,), (2,)])
        both = [ones(2), ones(2)]
        for step in range(2):
            for i, weights in enumerate(both):
                if (step, i, ranks.rank) != (0, 1, 1):
                    sums((1, str(i)), weights, ones(2))
            sums.step_schedules()
        return both

    for first, second in run_ranks(work):
        assert (first == -1).all()
        # What the other rank had for it in the first step is gone.
        assert (second == 0).all()


def test_weights_that_nobody_uses_do_not_decay(fake_ranks):
    sums = make_sums(fake_ranks(0, 1), Adam(0.1, L2=0.5), [(2,), (2,)])
    used, unused = ones(2), ones(2)
    sums((1, "0"), used, ones(2))
    sums((1, "1"), unused, numpy.zeros(2, dtype="f"))
    sums.step_schedules()
    assert (unused == 1).all()
    assert (used != 1).all()


def test_weights_that_were_used_go_on_without_a_gradient(fake_ranks):
    sums = make_sums(fake_ranks(0, 1), Adam(0.1), [(2,)])
    weights = ones(2)
    sums((1, "0"), weights, ones(2))
    sums.step_schedules()
    before = weights.copy()
    sums((1, "0"), weights, numpy.zeros(2, dtype="f"))
    sums.step_schedules()
    # Their momentum moves them.
    assert (weights != before).all()


def test_steps_before_the_start_only_move_the_schedules(fake_ranks):
    inner = SGD(iter([1.0, 0.5, 0.25]))
    sums = SumOptimizer(fake_ranks(0, 2), inner, Pace())
    sums.step_schedules()
    assert inner.learn_rate == sums.learn_rate == 0.5


def test_an_optimizer_need_not_change_weights_in_their_place(fake_ranks):
    class Copying(own.Adam):
        def __call__(self, key, weights, gradient, **kwargs):
            return weights - gradient, gradient

    sums = make_sums(fake_ranks(0, 1), Copying(), [(2,)])
    weights = ones(2)
    sums((1, "0"), weights, ones(2))
    sums.step_schedules()
    assert (weights == 0).all()


def test_weights_that_come_later_are_an_error(fake_ranks):
    sums = make_sums(fake_ranks(0, 1), Adam(0.1), [(2,)])
    with pytest.raises(ValueError, match=r"^'W' is no weight that was there when"):
        sums((2, "W"), ones(2), ones(2))


def test_thincs_own_layers_and_shims_are_updated(fake_ranks):
    fix_random_seed(0)
    model = chain(Linear(2, 3), PyTorchWrapper(torch.nn.Linear(2, 2))).initialize()
    nlp = SimpleNamespace(pipeline=[("any", SimpleNamespace(model=model))])
    sums = SumOptimizer(fake_ranks(0, 1), SGD(0.01, grad_clip=0.0), Pace())
    weights = list_weights(nlp, ())
    sums.start(weights)
    inputs = ones(4, 3)
    before = {name: weight.read().copy() for name, weight in weights.items()}
    for _ in range(2):
        found, backprop = model.begin_update(inputs)
        backprop(ones(4, 2))
        model.finish_update(sums)
        sums.step_schedules()
    after = {name: w.read() for name, w in list_weights(nlp, ()).items() if w.learns}
    assert len(after) == 4
    for name, array in after.items():
        assert (array != before[name]).all(), name
    assert model.predict(inputs).sum() < found.sum()
