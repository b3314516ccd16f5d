"""Worker processes that Ray starts, on this machine or on a cluster."""

import logging
import os
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Dict, Optional, Tuple, Type

from .job import Job
from .shards import Shard


class RayEngine:
    """Starts a Ray actor for each worker. A Ray that is there already is used: that of this
    process, or the cluster that the variable RAY_ADDRESS names. Else one is started on this
    machine, and ended afterwards.

    job (Job): What the workers do.
    workers (int): The number of workers.
    RAISES (ValueError): If there is no package `ray`, or a cluster is too small.
    """

    def __init__(self, job: Job, workers: int) -> None:
        try:
            import ray
        except ImportError:
            raise ValueError(
                "--engine ray needs another package: python -m pip install "
                '"spacy-bilstm-crf[ray]", or take --engine local'
            ) from None
        self._ray = ray
        self._job = job
        self._workers = workers
        self._gpus = 0 if job.find.gpu_id < 0 else 1
        errors = ray.exceptions
        self.died: Tuple[Type[Exception], ...] = (
            errors.RayActorError,
            # Ray has killed it before the machine would have done so.
            errors.OutOfMemoryError,
            errors.NodeDiedError,
            errors.WorkerCrashedError,
        )

    def __enter__(self) -> "RayEngine":
        self._ours = not self._ray.is_initialized()
        if self._ours:
            self._connect()
        found = self._ray.cluster_resources()
        for name, each in (("CPU", 1), ("GPU", self._gpus)):
            # Ray would wait for ever.
            if found.get(name, 0) < each * self._workers:
                self._end()
                raise ValueError(
                    f"--workers {self._workers}: that takes as many {name}s, and Ray has "
                    f"{found.get(name, 0):g}: take fewer"
                )
        return self

    def start(self) -> Any:
        """RETURNS (ActorHandle): A new worker."""
        # One thread of torch each: Ray sees to it.
        options = self._ray.remote(num_cpus=1, num_gpus=self._gpus, max_restarts=0)
        return options(Job).remote(self._job.find, self._job.output)

    def submit(self, worker: Any, shard: Shard) -> "Future[int]":
        """RETURNS (Future[int]): Done when the worker has done the shard."""
        future: Future[int] = worker.predict.remote(shard).future()
        return future

    def result(self, future: "Future[int]") -> int:
        """RETURNS (int): The number of rows."""
        try:
            return future.result()
        except self._ray.exceptions.RayTaskError as error:
            # Its own message is a traceback.
            raise error.cause from None
        except self.died:
            raise
        except self._ray.exceptions.RayError as error:
            raise RuntimeError(f"Ray: {' '.join(str(error).split())}") from error

    def stop(self, worker: Any) -> None:
        """Forget a worker that has nothing to do, or that died."""
        self._ray.kill(worker)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._end()

    def _connect(self) -> None:
        # It tells its makers about its use, if nobody says no.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet: Dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        address = os.environ.get("RAY_ADDRESS")
        if address:
            self._ray.init(address, **quiet)
        else:
            self._ray.init(
                "local", num_cpus=self._workers, include_dashboard=False, **quiet
            )

    def _end(self) -> None:
        if self._ours:
            self._ray.shutdown()
