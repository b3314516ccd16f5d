from collections import Counter
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.parallel.shards import Shard
from spacy_bilstm_crf.parallel.workers import MAX_DEATHS, run_shards

SHARDS = [Shard("/in.jsonl", 9 * i, 5 * i + 1, 5 * i, 5) for i in range(6)]


class Died(Exception):
    pass


class Engine:
    """Workers that die with shards as often as is said.

    deaths (Dict[int, int]): How often, by the shard's index.
    """

    died = (Died,)

    def __init__(self, deaths):
        self.deaths = Counter(deaths)
        self.alive = set()
        self.busy = set()
        self.started = 0

    def start(self):
        self.started += 1
        self.alive.add(self.started)
        return self.started

    def submit(self, worker, shard):
        assert worker in self.alive
        assert worker not in self.busy
        self.busy.add(worker)
        future = Future()
        future.set_result((worker, shard))
        return future

    def result(self, future):
        worker, shard = future.result()
        self.busy.remove(worker)
        index = SHARDS.index(shard)
        if self.deaths[index]:
            self.deaths[index] -= 1
            raise Died
        return shard.count

    def stop(self, worker):
        self.alive.remove(worker)


@given(st.dictionaries(st.integers(0, 5), st.integers(1, 2)), st.integers(1, 9))
def test_shards_are_done_once_whoever_dies(deaths, workers):
    engine = Engine(deaths)
    done = list(run_shards(engine, SHARDS, workers))
    assert sorted(done, key=SHARDS.index) == SHARDS
    assert engine.started == min(workers, 6) + sum(deaths.values())
    assert not engine.alive


def test_who_dies_again_and_again_is_told_with_the_rows():
    engine = Engine({2: MAX_DEATHS})
    with pytest.raises(
        RuntimeError, match=r"/in\.jsonl:11: 3 worker processes died"
    ) as error:
        list(run_shards(engine, SHARDS, 2))
    assert "(shard 000000000010-000000000014)" in str(error.value)


def test_other_errors_of_a_worker_end_all():
    engine = Engine({})
    engine.result = lambda future: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        list(run_shards(engine, SHARDS, 2))


def test_nothing_to_do_starts_nobody():
    engine = Engine({})
    assert list(run_shards(engine, [], 2)) == []
    assert not engine.started
