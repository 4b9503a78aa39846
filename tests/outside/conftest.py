"""Methods and backbones of these tests are registered while one of them runs, and unknown to all others."""

import sys
from collections.abc import Iterator

import pytest

from vidtldr.merging import METHODS
from vidtldr.models.backbone import BACKBONES


@pytest.fixture(autouse=True)
def forgotten_afterwards() -> Iterator[None]:
    """Import toys anew in each test, and put the registries back."""
    methods, backbones = dict(METHODS), dict(BACKBONES)
    yield
    for registry, before in ((METHODS, methods), (BACKBONES, backbones)):
        registry.clear()
        registry.update(before)
    for module in [name for name in sys.modules if name.startswith("tests.outside.toy_")]:
        del sys.modules[module]
