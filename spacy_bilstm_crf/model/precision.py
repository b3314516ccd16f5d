"""16 bits where the hardware has them."""

import torch


def cpu_has_bfloat16() -> bool:
    """RETURNS (bool): Whether the processor multiplies bfloat16 in hardware (AVX512_BF16 or
    AMX). Elsewhere it is emulated, and slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)
