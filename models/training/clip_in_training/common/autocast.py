"""Half precision, on hardware where it is faster."""

import contextlib
import sys
from collections.abc import Callable

import torch

Autocast = Callable[[], contextlib.AbstractContextManager]


def autocast(precision: str, device: torch.device) -> Autocast:
    """The context of the forward pass: bf16 if the recipe asks for it and the hardware has it.

    The purpose of "bf16" is speed. A processor without bf16 instructions emulates them, many times slower than fp32
    (a first step took minutes). Such a processor trains in fp32 instead.
    """
    able = precision == "bf16"
    if able and device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    elif able:
        able = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if precision == "bf16" and not able:
        what = "card" if device.type == "cuda" else "processor"
        print(f"this {what} has no bf16 instructions: training in fp32", file=sys.stderr)
    return lambda: torch.autocast(device.type, torch.bfloat16, enabled=able)
