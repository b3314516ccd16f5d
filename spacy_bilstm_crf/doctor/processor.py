"""Threads and bfloat16: what the processor can do, and what it is asked to do."""

import math
import os
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

from .finding import Finding

# Where Linux tells how much processor time a container may take, of how much.
QUOTA = Path("/sys/fs/cgroup/cpu.max")
# With less of the machine at work, threads find a free core as a rule.
BUSY = 0.5
VARIABLE = "OMP_NUM_THREADS"


class Threads(NamedTuple):
    """What decides how many threads are good.

    used (int): How many torch uses.
    cores (int): How many cores this process may use.
    busy (float): How much of the whole machine was at work in the last minute, 1 for all
        of it.
    setting (Optional[str]): What the environment says of it.
    """

    used: int
    cores: int
    busy: float
    setting: Optional[str] = None


def check_processor() -> Iterator[Finding]:
    """YIELDS (Finding): Whether as many threads run as is good, and whether bfloat16 is
    worth a try."""
    from ..model.precision import cpu_has_bfloat16

    yield judge_threads(find_threads())
    if cpu_has_bfloat16():
        text = "the processor has bfloat16 instructions"
        yield Finding("info", text, 'precision = "bfloat16" makes prediction faster')
    else:
        text = "the processor has no bfloat16 instructions"
        yield Finding("info", text, 'precision = "bfloat16" would predict in float32')


def find_threads() -> Threads:
    """RETURNS (Threads): Those of this process."""
    import torch

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return Threads(
        used=torch.get_num_threads(),
        cores=count_cores(),
        busy=load / (os.cpu_count() or 1),
        setting=os.environ.get(VARIABLE),
    )


def count_cores(quota: Path = QUOTA) -> int:
    """Count the cores that this process may use.

    quota (Path): Where Linux tells the limit of a container.
    RETURNS (int): At least 1.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    if quota.is_file():
        limit, _, period = quota.read_text("utf8").strip().partition(" ")
        if limit != "max":
            cores = min(cores, math.ceil(int(limit) / int(period)))
    return cores


def judge_threads(threads: Threads) -> Finding:
    """RETURNS (Finding): Whether so many threads are good."""
    used, cores, busy, setting = threads
    origin = "not set" if setting is None else setting
    text = f"torch threads {used}, cores {cores}, {VARIABLE} {origin}"
    if used > cores:
        advice = f"set {VARIABLE}={cores}: threads that share a core wait for each other"
        return Finding("warn", text, advice)
    if used > 1 and busy > BUSY:
        text = f"{text}, and the machine is busy ({busy:.0%} in the last minute)"
        advice = f"set {VARIABLE}=1: here several can take many times as long as one"
        return Finding("warn", text, advice)
    return Finding("good", text)
