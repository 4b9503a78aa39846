"""The Triton kernels: in the interpreter on a CPU, compiled where there is a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.attention import check_attention, inputs
from vidtldr.merging import attention_backend
from vidtldr.merging.attention.attend import attend

pytest.importorskip("triton", reason="needs Triton, which has wheels for Linux alone: pip install triton")

_INTERPRETED = Path(__file__).with_name("interpreted_triton.py")
_needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.slow
def test_the_kernels_equal_the_explicit_formula_in_the_interpreter() -> None:
    # In a process of its own: whether kernels are interpreted is settled when their module is imported.
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(_INTERPRETED)]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="the interpreter runs on a CPU")
def test_compiled_kernels_are_refused_on_a_cpu() -> None:
    given = inputs(5)
    with attention_backend("triton"), pytest.raises(ValueError, match="'triton' runs on a GPU, not on cpu"):
        attend(*given[:3], scale=1.0, statistic="sharpness")


# What products of halves leave: float16 has 11 bits, bfloat16 8; statistics come from the same halves in both.
_OUTPUT_TOLERANCE = {torch.float32: 5e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}


_KERNELS = [  # each is compiled by itself; the widths are those of ViT-B and -L, SigLIP, ViT-g and DINOv3-7B
    *((width, dtype) for width in (64, 80, 88, 128) for dtype in _OUTPUT_TOLERANCE),
    (32, torch.bfloat16),
]


@pytest.mark.gpu
@_needs_gpu
@pytest.mark.parametrize("with_mass", [False, True])
@pytest.mark.parametrize(("width", "dtype"), _KERNELS)
def test_compiled_kernels_equal_the_explicit_formula(width: int, dtype: torch.dtype, with_mass: bool) -> None:
    for num_tokens in (197, 1001):
        given = inputs(num_tokens, width=width, dtype=dtype, with_mass=with_mass, device="cuda")
        with attention_backend("triton"):
            check_attention(given, output_tolerance=_OUTPUT_TOLERANCE[dtype], tolerance=2e-5)


@pytest.mark.gpu
@_needs_gpu
@pytest.mark.parametrize("num_tokens", [1, 1024])
def test_kernels_that_are_compiled_for_special_numbers_of_tokens_do_too(num_tokens: int) -> None:
    given = inputs(num_tokens, width=64, dtype=torch.bfloat16, device="cuda")
    with attention_backend("triton"):
        check_attention(given, output_tolerance=2e-2, tolerance=2e-5)


@pytest.mark.gpu
@_needs_gpu
def test_no_map_is_written_on_a_gpu() -> None:
    query, key, value, log_mass = inputs(4704, width=64, dtype=torch.bfloat16, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with attention_backend("auto"):
        attend(query, key, value, scale=0.125, log_mass=log_mass, statistic="sharpness")
    assert torch.cuda.max_memory_allocated() - before < 4704**2  # a quarter of one map in float32


@pytest.mark.gpu
@_needs_gpu
def test_compiled_kernels_run_under_torch_compile_and_cuda_graphs() -> None:
    given = inputs(197, width=64, dtype=torch.bfloat16, device="cuda")

    def call() -> tuple[torch.Tensor, torch.Tensor]:
        return tuple(attend(*given[:3], scale=0.125, log_mass=given.log_mass, statistic="sharpness"))

    for actual, expected in zip(torch.compile(call, mode="reduce-overhead")(), call()):
        torch.testing.assert_close(actual, expected)
