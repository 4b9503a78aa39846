import mmap
from pathlib import Path

import pytest
import torch

from vidtldr.measuring import memory


def test_peak_memory_sees_a_large_tensor_and_forgets_it():
    if not memory._reset_peak_rss():
        pytest.skip("this kernel does not reset the peak")
    watch = memory.PeakMemory(torch.device("cpu"))
    low, _ = watch.peak()
    large = mmap.mmap(-1, 200 * 2**20)  # fresh pages, where an allocator could hand out memory that was used before
    for _ in range(200):
        large.write(b"1" * 2**20)
    high, _ = watch.peak()
    assert high - low > 150 * 2**20
    large.close()
    again, _ = memory.PeakMemory(torch.device("cpu")).peak()
    assert again < high - 100 * 2**20


def test_without_a_reset_the_lifetime_peak_is_given_and_named(monkeypatch):
    monkeypatch.setattr(memory, "_CLEAR_REFS", Path("/nonexistent/clear_refs"))
    peak, what = memory.PeakMemory(torch.device("cpu")).peak()
    assert peak > 10 * 2**20
    assert "since it started" in what


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_peak_is_what_torch_allocated():
    watch = memory.PeakMemory(torch.device("cuda", 0))
    torch.ones(64 * 2**20, dtype=torch.uint8, device="cuda")
    peak, what = watch.peak()
    assert peak >= 64 * 2**20
    assert what.startswith("GPU")
