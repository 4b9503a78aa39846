"""Peak memory: of a GPU as torch allocates it, else of this process as the kernel records it."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from vidtldr.measuring.timing import synchronize

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # proc(5): sets the peak resident set size to the current one


class PeakMemory:
    """Peak memory from construction on: of the GPU's allocator, else of this process."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._was_reset = False
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            self._was_reset = _reset_peak_rss()

    def peak(self) -> tuple[int, str]:
        """The peak in bytes, and what it is one of."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device), "GPU memory allocated by torch"
        if self._was_reset:
            return _status_bytes("VmHWM"), "resident memory of the main process, workers not counted"
        # Without a way to reset it, the peak never falls: a later method cannot show less than an earlier one.
        return _lifetime_peak_rss(), "resident memory of the main process since it started, workers not counted"


def peak_above(run: Callable[[], object], device: torch.device) -> int:
    """Bytes by which memory peaks, while ``run`` runs, above what was taken when it began.

    Args:
        run: What to watch; run it once before, so that libraries and their buffers are there already.
        device: On a GPU what torch has allocated is watched, else the resident memory of this process.
    """
    memory = PeakMemory(device)
    before, _ = memory.peak()
    run()
    synchronize(device)
    peak, _ = memory.peak()
    return peak - before


def _reset_peak_rss() -> bool:
    """Reset the kernel's record of the peak; False where that is not possible or not obeyed."""
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
        resident, peak = _status_bytes("VmRSS"), _status_bytes("VmHWM")
    except (OSError, KeyError):
        return False
    return peak <= resident * 1.05  # some sandboxes accept the write and ignore it


def _status_bytes(key: str) -> int:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
    return int(lines[key].split()[0]) * 1024  # given in kB


def _lifetime_peak_rss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kB
