import os

import pytest
import torch

from spacy_bilstm_crf.training.ranks.group import RankError, Ranks


def test_a_rank_takes_the_gpu_of_its_number(monkeypatch):
    ranks = Ranks(6, 8, 2)
    assert ranks.pick_gpu(-1) == -1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert ranks.pick_gpu(0) == 2
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        ValueError, match=r"^GPU 2 is needed, and this machine has 2: lower"
    ):
        ranks.pick_gpu(0)


def test_exchanges_give_what_they_promise(run_ranks):
    def work(ranks):
        tensor = torch.full((3,), float(ranks.rank))
        ranks.meet()
        ranks.sum(tensor)
        name = f"rank {ranks.rank}"
        return tensor.tolist(), ranks.broadcast(name), ranks.gather(name)

    first, *others = run_ranks(work, 3)
    assert first == ([3.0] * 3, "rank 0", ["rank 0", "rank 1", "rank 2"])
    assert others == [([3.0] * 3, "rank 0", [])] * 2


EXCHANGES = {
    "meet": lambda ranks: ranks.meet(),
    "sum": lambda ranks: ranks.sum(torch.zeros(1000)),
    "broadcast": lambda ranks: ranks.broadcast("x" * 1000),
    "gather": lambda ranks: ranks.gather("x" * 1000),
}


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_error_reaches_the_others_whatever_they_wait_for(run_ranks, exchange):
    def work(ranks):
        if ranks.rank == 1:
            told = ranks.tell(ValueError("it is\nbroken"))
            # All know: nobody waits for another word.
            return told, ranks.tell(ValueError("again"))
        try:
            EXCHANGES[exchange](ranks)
        except RankError as error:
            return str(error), ranks.tell(error)

    assert run_ranks(work, 3) == [("rank 1: it is broken",) * 2] * 3


def test_of_several_errors_all_tell_the_same(run_ranks):
    def work(ranks):
        return ranks.tell(ValueError(f"error {ranks.rank}")) if ranks.rank else wait(ranks)

    def wait(ranks):
        with pytest.raises(RankError) as caught:
            ranks.meet()
        return str(caught.value)

    assert run_ranks(work, 3) == ["rank 1: error 1"] * 3


def test_a_rank_that_reads_other_data_is_an_error_on_all(run_ranks):
    def work(ranks):
        ranks.note([1, 2])
        ranks.meet()
        ranks.note([3, 4 + ranks.rank // 2])
        ranks.meet()

    for error in run_ranks(work, 3):
        assert isinstance(error, RankError)
        assert "the ranks read other batches" in str(error)


def test_a_rank_that_dies_is_missed(run_ranks):
    def work(ranks):
        ranks.meet()
        if ranks.rank == 1:
            os._exit(9)
        with pytest.raises(RankError, match=r"rank 0 has lost another") as caught:
            ranks.meet()
        return ranks.tell(caught.value) == str(caught.value)

    assert run_ranks(work) == [True, None]
