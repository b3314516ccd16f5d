import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.matching import Hits
from spacy_bilstm_crf.model.lexicon_sets import make_soft_sets


@st.composite
def make_hits(draw):
    num_tokens = draw(st.integers(0, 6))
    hits = []
    if num_tokens:
        for _ in range(draw(st.integers(0, 8))):
            start = draw(st.integers(0, num_tokens - 1))
            end = draw(st.integers(start + 1, num_tokens))
            hits.append((start, end, draw(st.sampled_from([0.5, 1.0, 2.0, 7.0]))))
    return num_tokens, hits


def sets_by_the_definition(num_tokens, hits):
    """For each token its four sets of hits, by what the paper says of them."""
    sets = [([], [], [], []) for _ in range(num_tokens)]
    for i, (start, end, _) in enumerate(hits):
        for token in range(start, end):
            if end == start + 1:
                sets[token][3].append(i)
            elif token == start:
                sets[token][0].append(i)
            elif token == end - 1:
                sets[token][2].append(i)
            else:
                sets[token][1].append(i)
    return sets


@given(make_hits())
def test_sets_and_shares_are_those_of_the_definition(drawn):
    num_tokens, rows = drawn
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    starts, ends = (numpy.array(column, dtype="int64") for column in columns[:2])
    hits = Hits(starts, ends, numpy.zeros(len(rows), dtype="int64"))
    sets = make_soft_sets(hits, numpy.array(columns[2]), num_tokens)
    found = {
        (slot, hit): share
        for slot, hit, share in zip(sets.slots, sets.which, sets.shares, strict=True)
    }
    assert len(found) == len(sets.slots)
    assert sets.empty_shares.shape == (4 * num_tokens,)
    for token, groups in enumerate(sets_by_the_definition(num_tokens, rows)):
        total = sum(sum(rows[i][2] for i in group) if group else 1.0 for group in groups)
        for place, group in enumerate(groups):
            slot = 4 * token + place
            for i in group:
                expected = 4 * rows[i][2] / total
                numpy.testing.assert_allclose(found.pop((slot, i)), expected, 1e-6)
            expected = 0.0 if group else 4 / total
            numpy.testing.assert_allclose(sets.empty_shares[slot], expected, 1e-6)
    assert not found
