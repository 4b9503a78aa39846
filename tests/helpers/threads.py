"""One thread for every run whose digits are compared: sums that threads share are rounded as the shares are."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

# Lightning sets a number of threads of its own in several processes, unless this is set.
_VARIABLE = "OMP_NUM_THREADS"
ENVIRONMENT: Mapping[str, str] = {_VARIABLE: "1"}


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for what runs in this process and in those that it starts meanwhile."""
    threads, variable = torch.get_num_threads(), os.environ.get(_VARIABLE)
    use_one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        os.environ.pop(_VARIABLE)
        if variable is not None:
            os.environ[_VARIABLE] = variable


def use_one_thread() -> None:
    """Go on with one thread: for a process that a server forked, which has the server's threads and environment."""
    os.environ.update(ENVIRONMENT)
    torch.set_num_threads(1)
