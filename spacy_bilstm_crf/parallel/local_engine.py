"""Worker processes of this machine, started by Python alone."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Optional, Tuple, Type

from .job import Job
from .shards import Shard


class LocalEngine:
    """Starts a pool of one process for each worker: if it dies, it is known with which
    shard, and no other one is lost with it.

    job (Job): What the workers do.
    """

    died: Tuple[Type[Exception], ...] = (BrokenProcessPool,)

    def __init__(self, job: Job) -> None:
        self._job = job

    def __enter__(self) -> "LocalEngine":
        self._before = set(multiprocessing.active_children())
        return self

    def start(self) -> ProcessPoolExecutor:
        """RETURNS (ProcessPoolExecutor): A new worker."""
        # Forks of a process with threads can hang.
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, spawn, initializer=_start)

    def submit(self, worker: ProcessPoolExecutor, shard: Shard) -> "Future[int]":
        """RETURNS (Future[int]): Done when the worker has done the shard."""
        try:
            return worker.submit(self._job.predict, shard)
        except BrokenProcessPool as error:
            # It died while it had nothing to do.
            future: Future[int] = Future()
            future.set_exception(error)
            return future

    def result(self, future: "Future[int]") -> int:
        """RETURNS (int): The number of rows."""
        return future.result()

    def stop(self, worker: ProcessPoolExecutor) -> None:
        """Forget a worker that has nothing to do, or that died."""
        worker.shutdown(wait=False)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is not None:
            # Nobody waits for the shards at hand.
            for process in set(multiprocessing.active_children()) - self._before:
                process.kill()


def _start() -> None:
    # Not before there is a process for it.
    import torch

    # As many processes as cores do not leave each other more.
    torch.set_num_threads(1)
    # The parent ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
