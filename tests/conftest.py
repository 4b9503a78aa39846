"""Fixtures of all tests."""

import signal
from collections.abc import Iterator

import pytest

from tests.helpers import threads

pytest_plugins = ["tests.helpers.browser"]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """What a module's tests run has one thread, in this process and in others, so that digits can be compared."""
    with threads.one_thread():
        yield


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """Let SIGINT interrupt this process and those it starts: a shell's background jobs are told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
