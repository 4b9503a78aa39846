"""Settings of the fuzz tests."""

import faulthandler
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet_crashes() -> Iterator[None]:
    """Workers are expected to crash here; pytest's handler would print the stacks of each."""
    faulthandler.disable()
    yield
    faulthandler.enable(sys.__stderr__)
