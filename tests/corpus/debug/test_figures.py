from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.debug.figures import Lengths, percentile, summarize


def test_lengths_are_summarized():
    lengths = Counter({1: 50, 2: 41, 3: 4, 4: 1, 50: 4})
    assert summarize(lengths) == Lengths(mean=3.48, median=1, p95=3, longest=50)


def test_no_lengths_are_all_zero():
    assert summarize(Counter()) == Lengths(0.0, 0, 0, 0)


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 100))
def test_percentile_is_the_shortest_length_that_so_many_do_not_exceed(values, percent):
    found = percentile(Counter(values), percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
