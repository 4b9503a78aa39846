"""What is said beside the result: one line a message, each once. Standard library only."""

import logging
import os
import sys
import warnings

from vidtldr.errors import on_one_line

_LIGHTNING = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
_HARMLESS = (
    ".*does not have many workers.*",  # some evaluations need few
    ".*GPU available but not used.*",  # someone asked for it
    ".*precision='16-mixed'.*not supported on CPU.*",  # the report says what was computed in
    ".*will be removed in v5.*",  # old names of jsonargparse, called by Lightning
    ".*Checkpoint directory .* exists and is not empty.*",  # a training that goes on
    ".*torch.jit.* is deprecated.*",
    ".*recommended to use `self.log.*sync_dist=True.*",  # every process has computed the same
    ".*DistributedSampler with the.*",  # shares are dealt out by the data module
    ".*isinstance.treespec, LeafSpec.*",
)


def set_up_messages() -> None:
    """Give warnings and log messages a common form, and leave out warnings that cannot matter here."""
    for message in _HARMLESS:
        warnings.filterwarnings("ignore", message=message)
    warnings.formatwarning = _warning
    level = logging.WARNING
    if process_rank():  # the first process says it all
        warnings.simplefilter("ignore")
        level = logging.ERROR
    logging.basicConfig(level=level, handlers=[_OnceToStderr()])


def process_rank() -> int:
    """Which of the processes of a run this is, as far as who started it tells; 0 for the first, or the only one."""
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")  # of torchrun, of SLURM, of Lightning
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), 0)


def quiet_lightning() -> None:
    """Silence Lightning's chatter about devices and loggers; importing it sets levels, so call this afterwards."""
    for name in _LIGHTNING:
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.formatwarning = _warning


def _warning(message: Warning | str, *_args: object, **_kwargs: object) -> str:
    return f"warning: {on_one_line(message)}\n"


class _OnceToStderr(logging.Handler):
    """Says each message once, as every method of a run meets the same broken video.

    Standard error is looked up each time, because progress bars replace it while they are shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            print(f"note: {message}", file=sys.stderr)
