"""Worker processes of `nlp.pipe` that die."""

import signal
import threading
from contextlib import contextmanager
from multiprocessing import process
from typing import Any, Iterator, List, Set

# How often they are looked at, in seconds.
INTERVAL = 0.2


@contextmanager
def watch_workers() -> Iterator[None]:
    """Make it an error if a worker process dies while `nlp.pipe` with several of them runs
    inside. Without this, spaCy waits for it for ever where workers are forked: those that
    live on hold its end of the pipe open. Here they end with it.

    RAISES (RuntimeError): If a process that was started inside has died.
    """
    before = _processes()
    over = threading.Event()
    codes: List[int] = []

    def watch() -> None:
        while not codes and not over.wait(INTERVAL):
            workers = _processes() - before
            codes.extend(_failures(workers))
            for worker in workers if codes else ():
                worker.terminate()

    watcher = threading.Thread(target=watch, name="watch_workers", daemon=True)
    watcher.start()
    try:
        yield
    except (EOFError, OSError) as error:
        # An OSError if it died in the middle of a message. Where workers are spawned spaCy
        # does not wait, and may be here before the watcher.
        codes = codes or _failures(_processes() - before)
        if not codes:
            raise
        code = codes[0]
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise RuntimeError(
            f"a worker process of nlp.pipe died ({how}): if it was killed for want of "
            "memory, take fewer processes or a smaller batch_size"
        ) from error
    finally:
        over.set()
        watcher.join()


def _processes() -> Set[Any]:
    # All that somebody still holds. `active_children` would not do: those that it, or the
    # next one that starts, finds dead are forgotten.
    return {p for p in set(process._dangling) if p._popen is not None}  # type: ignore[attr-defined]


def _failures(workers: Set[Any]) -> List[int]:
    """RETURNS (List[int]): Exit codes of those that failed, or less than 0 the signal that
    killed them."""
    return [worker.exitcode for worker in workers if worker.exitcode]
