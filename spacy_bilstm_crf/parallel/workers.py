"""Shards are given to worker processes. What a process that dies has left is done again."""

from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Deque, Dict, Iterator, Protocol, Sequence, Tuple, Type

from .shards import Shard

# So often a process may die with one and the same shard.
MAX_DEATHS = 3


class Engine(Protocol):
    """Starts processes that work on one shard at a time.

    died (Tuple[Type[Exception], ...]): Raised by `result` if the process died.
    """

    died: Tuple[Type[Exception], ...]

    def start(self) -> Any:
        """RETURNS (Any): A new worker."""

    def submit(self, worker: Any, shard: Shard) -> "Future[int]":
        """RETURNS (Future[int]): Done when the worker has done the shard."""

    def result(self, future: "Future[int]") -> int:
        """RETURNS (int): The number of rows."""

    def stop(self, worker: Any) -> None:
        """Forget a worker that has nothing to do, or that died."""


def run_shards(engine: Engine, shards: Sequence[Shard], workers: int) -> Iterator[Shard]:
    """Have all shards done.

    engine (Engine): Starts the workers.
    shards (Sequence[Shard]): The shards.
    workers (int): The number of workers.
    YIELDS (Shard): Those that are done, in any order.
    RAISES (RuntimeError): If processes die again and again with the same shard.
    """
    waiting: Deque[Shard] = deque(shards)
    idle = [engine.start() for _ in range(min(workers, len(waiting)))]
    running: Dict[Future[int], Tuple[Any, Shard]] = {}
    deaths: Dict[Shard, int] = Counter()
    while waiting or running:
        while waiting and idle:
            worker, shard = idle.pop(), waiting.popleft()
            running[engine.submit(worker, shard)] = worker, shard
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            worker, shard = running.pop(future)
            try:
                engine.result(future)
            except engine.died as error:
                engine.stop(worker)
                deaths[shard] += 1
                if deaths[shard] == MAX_DEATHS:
                    raise RuntimeError(_describe(shard)) from error
                waiting.appendleft(shard)
                idle.append(engine.start())
            else:
                idle.append(worker)
                yield shard
    for worker in idle:
        engine.stop(worker)


def _describe(shard: Shard) -> str:
    return (
        f"{shard.source}:{shard.line}: {MAX_DEATHS} worker processes died with the "
        f"{shard.count:,} rows from here on (shard {shard.name}): if for want of memory, "
        "take fewer --workers or a smaller --batch-size and run again, shards that are "
        "done stay; else look for a row that kills them"
    )
