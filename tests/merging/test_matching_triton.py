"""The Triton kernels of matching and merging: in the interpreter on a CPU, compiled where there is a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.matching import SHAPES, check_matching

pytest.importorskip("triton", reason="needs Triton, which has wheels for Linux alone: pip install triton")

_INTERPRETED = Path(__file__).with_name("interpreted_matching.py")
_needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.slow
def test_the_kernels_equal_pytorch_in_the_interpreter() -> None:
    # In a process of its own: whether kernels are interpreted is settled when their module is imported.
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(_INTERPRETED)]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.gpu
@_needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("num_tokens", "num_prefix", "r"), [*SHAPES, (2352, 0, 600), (1569, 1, 650)])
def test_compiled_kernels_equal_pytorch_in_float64(
    num_tokens: int, num_prefix: int, r: int, dtype: torch.dtype
) -> None:
    for width in (64, 768):
        check_matching(num_tokens, num_prefix, r, dtype=dtype, device="cuda", width=width)
