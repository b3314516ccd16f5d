"""Ctrl-C, but not in the middle of an exchange."""

import signal
from contextlib import contextmanager
from types import FrameType
from typing import Any, Iterator, Optional


class Interrupts:
    """Handles SIGINT while it is entered. Between the parts of an exchange it waits: a rank
    that left there would let the others wait for something else than it says next. It
    counts once: torchrun, which gets it too, sends it again, and what is saved because of
    the first one shall not be broken off.
    """

    def __init__(self) -> None:
        self._counted = False
        self._held = False
        self._waiting = False
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._handle)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let it wait until what is inside is done."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            # An error that ends it all is not in need of it.
            waiting, self._waiting = self._waiting, False
        if waiting:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """Ignore it from now on, as another rank has told of it already."""
        self._counted = True

    def _handle(self, _: int, frame: Optional[FrameType]) -> None:
        if self._counted:
            return
        self._counted = True
        if not self._held:
            raise KeyboardInterrupt
        self._waiting = True
