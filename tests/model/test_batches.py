import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.model.batches import FEW, STRETCH, pad, plan_batches


@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 60), st.integers(0, 9))
def test_batches_hold_every_token_once_within_the_bounds(lengths, bound, sequences):
    lengths = numpy.array(lengths, dtype="int64")
    tokens = []
    for batch in plan_batches(lengths, bound, sequences):
        steps = int(batch.lengths[0])
        limit = max(bound, min(FEW * steps, STRETCH * bound))
        padded = steps * len(batch.docs)
        assert len(batch.docs) == 1 or padded <= limit
        assert padded <= max(bound, 2 * len(batch.tokens))
        assert len(batch.docs) <= max(1, sequences)
        assert (batch.lengths == lengths[batch.docs]).all()
        assert (numpy.diff(batch.lengths) <= 0).all()
        assert batch.lengths.min() > 0
        offsets = (numpy.cumsum(lengths) - lengths)[batch.docs]
        assert (batch.tokens == offsets[batch.columns] + batch.rows).all()
        tokens.extend(batch.tokens.tolist())
    assert sorted(tokens) == list(range(lengths.sum()))


@pytest.mark.parametrize(
    ("length", "size"), [(30, 100), (150, 32), (1000, 32), (6000, 10), (70_000, 1)]
)
def test_long_docs_share_a_batch_of_bounded_size(length, size):
    batches = plan_batches(numpy.full(3 * size, length), 3000, 1000)
    assert {len(batch.docs) for batch in batches} == {size}


def test_short_docs_are_not_padded_to_long_ones():
    lengths = numpy.array([30] * 100 + [1000, 600, 400])
    batches = plan_batches(lengths, 3000, 1000)
    assert [batch.lengths.tolist() for batch in batches] == [[1000, 600, 400], [30] * 100]
    lengths[101] = 400
    batches = plan_batches(lengths, 3000, 1000)
    assert [len(batch.docs) for batch in batches] == [3, 100]
    batches = plan_batches(lengths, 1500, 1000)
    assert [len(batch.docs) for batch in batches] == [1, 3, 50, 49]


@pytest.mark.parametrize("writeable", [True, False])
def test_a_doc_alone_is_copied_only_if_torch_could_not_take_it(writeable):
    flat = numpy.arange(12.0).reshape(6, 2)
    flat.flags.writeable = writeable
    batches = plan_batches(numpy.array([2, 4]), 4, 1)
    padded = [pad(flat, batch) for batch in batches]
    assert [x.tolist() for x in padded] == [
        flat[2:, None].tolist(),
        flat[:2, None].tolist(),
    ]
    assert all(x.flags.writeable for x in padded)
    assert [numpy.shares_memory(x, flat) for x in padded] == [writeable] * 2
