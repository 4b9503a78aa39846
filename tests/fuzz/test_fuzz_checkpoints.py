"""Damaged and hostile checkpoints are loaded or refused in one sentence, and no code in them is run."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules.annotations.retrieval_files import read_annotation
from tests.fuzz.checkpoint_formats import Checkpoint, write_checkpoints, write_other_files
from tests.fuzz.mutations import STRANGE, STRANGE_KEYS, Random, damaged
from tests.fuzz.outcomes import outcome
from tests.fuzz.payloads import hostile_files, payloads
from vidtldr.errors import UserError

NUM_DAMAGED = 24
"""Files of each kind with damaged bytes."""

NUM_SWAPPED = 20
"""Checkpoints of each kind with swapped entries, damaged in no other way."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # torch's about protocols of pickles
]

_SWAPS: tuple[Callable[[Tensor, Random], Any], ...] = (
    lambda value, rng: value.flatten(),
    lambda value, rng: value.unsqueeze(0),
    lambda value, rng: value[..., :1],
    lambda value, rng: torch.tensor(1.0),
    lambda value, rng: torch.empty(0),
    lambda value, rng: torch.zeros(1).expand(2**40),
    lambda value, rng: value.to(torch.complex64),
    lambda value, rng: value.to(torch.int8),
    lambda value, rng: value.to_sparse(),
    lambda value, rng: torch.full_like(value, float("nan"), dtype=torch.float32),
    lambda value, rng: STRANGE[rng.integers(len(STRANGE))],
    lambda value, rng: {"weight": value},
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    return write_checkpoints(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def all_kinds(sound: dict[str, Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    return sound | write_other_files(tmp_path_factory.mktemp("other"), sound)


def _swapped(entries: dict[Any, Any], rng: Random) -> dict[Any, Any]:
    """Entries with one or two of them renamed, dropped, or swapped for something else."""
    entries = dict(entries)
    for _ in range(rng.integers(1, 3)):
        key = list(entries)[rng.integers(len(entries))]
        kind = rng.integers(len(_SWAPS) + 2)
        if kind < len(_SWAPS) and isinstance(entries[key], Tensor):
            entries[key] = _SWAPS[kind](entries[key], rng)
        else:
            value = entries.pop(key)
            if kind == len(_SWAPS):
                entries[(*STRANGE_KEYS, 7, None)[rng.integers(len(STRANGE_KEYS) + 2)]] = value
    return entries


def _loaded(case: str, checkpoint: Checkpoint, path: Path) -> list[str] | None:
    unused = outcome(case, lambda: checkpoint.load(path), [UserError], [f"'{path}'"])
    assert unused is None or (isinstance(unused, list) and all(type(name) is str for name in unused))
    return unused


def test_sound_checkpoints_are_loaded(all_kinds: dict[str, Checkpoint]) -> None:
    for name, checkpoint in all_kinds.items():
        if name != "torchscript":  # holds one entry only
            assert _loaded(name, checkpoint, checkpoint.path) is not None, name


def test_damaged_checkpoints(all_kinds: dict[str, Checkpoint], tmp_path: Path) -> None:
    for number, (name, checkpoint) in enumerate(all_kinds.items()):
        content = checkpoint.path.read_bytes()
        for seed in range(NUM_DAMAGED):
            path = tmp_path / f"damaged{checkpoint.path.suffix}"
            path.write_bytes(damaged(content, np.random.default_rng((number, seed))))
            _loaded(f"{name!r}, damage of seed ({number}, {seed})", checkpoint, path)


def test_checkpoints_with_swapped_entries(sound: dict[str, Checkpoint], tmp_path: Path) -> None:
    for number, (name, checkpoint) in enumerate(sound.items()):
        entries = checkpoint.entries()
        for seed in range(NUM_SWAPPED):
            path = tmp_path / "swapped.pth"
            torch.save(_swapped(entries, np.random.default_rng((number, seed))), path)
            _loaded(f"{name!r}, swap of seed ({number}, {seed})", checkpoint, path)


def _architecture(name: str) -> str:
    name = name.partition(",")[0]
    groups = {"umt vqa": "vqa", "new decoder": "vqa", "new head": "videomae"}
    return "clip" if name in ("vifi-clip", "token embedding", "torchscript") else groups.get(name, name)


def test_checkpoints_of_another_architecture(all_kinds: dict[str, Checkpoint]) -> None:
    for name, checkpoint in all_kinds.items():
        for other, its in all_kinds.items():
            if _architecture(name) != _architecture(other):
                assert _loaded(f"{other!r} loaded as {name!r}", checkpoint, its.path) is None, (name, other)


def test_the_payloads_do_what_they_are_feared_for(tmp_path: Path) -> None:
    ran = 0
    for number, payload in enumerate(payloads(tmp_path / "marker")):
        for protocol in (0, 2, 4):
            (tmp_path / "marker").unlink(missing_ok=True)
            try:
                result = pickle.loads(payload.pickled(protocol))
                getattr(result, "close", lambda: None)()
            except (AttributeError, ImportError, TypeError):
                continue  # not in this version of Python, or not by a dotted name in protocols of old
            assert (tmp_path / "marker").exists(), (number, protocol)
            ran += 1
    assert ran >= 20


def test_no_payload_is_run(sound: dict[str, Checkpoint], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = sound["clip"].path.read_bytes()
    for number, payload in enumerate(payloads(marker)):
        for kind, (suffix, hostile) in enumerate(hostile_files(payload, content)):
            path = tmp_path / f"hostile{suffix}"
            path.write_bytes(hostile)
            for name in ("umt", "umt vqa", "videomae", "clip", "token embedding"):
                case = f"payload {number} in file {kind} as {name!r}"
                assert _loaded(case, sound[name], path) is None, case
                assert not marker.exists(), case


def test_no_payload_of_a_pickled_annotation_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = tmp_path / "captions.pkl"
    for number, payload in enumerate(payloads(marker)):
        for protocol in (0, 2, 4):
            path.write_bytes(payload.pickled(protocol))
            case = f"payload {number} of protocol {protocol}"
            assert outcome(case, lambda: read_annotation(path), [ValueError], [str(path)]) is None, case
            assert not marker.exists(), case
