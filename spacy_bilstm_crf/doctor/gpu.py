"""CUDA, CuPy and MPS: spaCy needs a GPU that CuPy and torch both see."""

import os
import shutil
from typing import Iterator, NamedTuple, Optional, Sequence

from thinc.api import require_gpu

from .finding import Finding, describe
from .packages import how_to_install

ON_CPU = "pipelines run on the CPU"


class Gpus(NamedTuple):
    """What is there.

    built_for (Optional[str]): The version of CUDA that torch was built for.
    torch_sees (Sequence[str]): The names of the GPUs that torch sees: CUDA's, or those of
        AMD, which torch calls the same.
    cupy (Optional[str]): The version of CuPy.
    cupy_sees (bool): Whether CuPy sees a GPU.
    mps (bool): Whether torch can use the GPU of a Mac.
    driver (bool): Whether there is a driver of NVIDIA.
    hidden_by (Optional[str]): What CUDA_VISIBLE_DEVICES says.
    """

    built_for: Optional[str] = None
    torch_sees: Sequence[str] = ()
    cupy: Optional[str] = None
    cupy_sees: bool = False
    mps: bool = False
    driver: bool = False
    hidden_by: Optional[str] = None


def check_gpu(gpu_id: int) -> Iterator[Finding]:
    """Look for GPUs, and take the one that is asked for.

    gpu_id (int): Its number, or less than 0 for the CPU.
    YIELDS (Finding): Whether spaCy can use one, and what it needs to.
    """
    yield judge_gpus(find_gpus())
    if gpu_id >= 0:
        try:
            require_gpu(gpu_id)
        # Whatever CuPy raises for a number or a driver that will not do.
        except Exception as error:
            text = f"--gpu-id {gpu_id} cannot be used: {describe(error)}"
            yield Finding("fail", text, f"see above, or leave it out: {ON_CPU}")
        else:
            yield Finding("good", f"what follows runs on GPU {gpu_id}")


def find_gpus() -> Gpus:
    """RETURNS (Gpus): Those of this machine."""
    import torch
    from thinc import compat

    return Gpus(
        built_for=torch.version.cuda,
        torch_sees=[
            torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())
        ],
        cupy=str(compat.cupy_version) if compat.has_cupy else None,
        cupy_sees=compat.has_cupy_gpu,
        mps=compat.has_torch_mps_gpu,
        driver=shutil.which("nvidia-smi") is not None,
        hidden_by=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def judge_gpus(gpus: Gpus) -> Finding:
    """RETURNS (Finding): Whether spaCy can use a GPU, and what it needs to."""
    built = f"CUDA {gpus.built_for}" if gpus.built_for else "CPUs only"
    if gpus.torch_sees:
        return _judge_cupy(gpus, ", ".join(gpus.torch_sees))
    if gpus.mps:
        text = "torch sees the GPU of a Mac (MPS)"
        return Finding("info", text, "--gpu-id 0 takes it, which nobody has tested yet")
    if gpus.cupy_sees:
        text = f"CuPy {gpus.cupy} sees a GPU, torch (built for {built}) does not"
        return Finding("warn", text, "install torch for CUDA, see https://pytorch.org")
    if gpus.driver and gpus.hidden_by is not None:
        text = f"CUDA_VISIBLE_DEVICES is '{gpus.hidden_by}', and torch sees no GPU"
        return Finding("warn", text, f"unset it to see all, until then {ON_CPU}")
    if gpus.driver:
        text = f"there is a driver of NVIDIA, but torch (built for {built}) sees no GPU"
        advice = "install a newer driver, or torch for its CUDA, see https://pytorch.org"
        return Finding("warn", text, advice)
    return Finding("good", f"no GPU, {ON_CPU}")


def _judge_cupy(gpus: Gpus, names: str) -> Finding:
    if gpus.built_for is None:
        # torch calls AMD's by the same names.
        text = f"torch sees {names}, but is not built for CUDA, {ON_CPU}"
        return Finding("info", text, "spaCy knows only GPUs of NVIDIA and of Macs")
    install = how_to_install(name_cupy(gpus.built_for))
    if gpus.cupy is None:
        text = f"torch sees {names}, but CuPy is not there, and spaCy needs it, {ON_CPU}"
        return Finding("warn", text, install)
    if not gpus.cupy_sees:
        text = f"torch (CUDA {gpus.built_for}) sees {names}, CuPy {gpus.cupy} does not"
        advice = f"remove this CuPy, which may be made for another CUDA, and {install}"
        return Finding("warn", text, advice)
    text = f"torch (CUDA {gpus.built_for}) and CuPy {gpus.cupy} see {names}"
    return Finding("good", text, "--gpu-id 0 takes the first one")


def name_cupy(cuda: str) -> str:
    """RETURNS (str): The package of CuPy for a version of CUDA such as 12.8."""
    return f"cupy-cuda{cuda.split('.')[0]}x"
