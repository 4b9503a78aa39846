"""Damage to files and JSON values; the same seed does the same damage."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np

Random = np.random.Generator

STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1e308, float("nan"), float("inf"), "", " ", "\0", "\ud800", "../../etc/passwd",
    "/etc/passwd", "a\nb", "é" * 300, "x" * 5000, [], {}, [[]], [None], {"video": None}, ["a", 7], "vid1",
)  # fmt: skip
STRANGE_KEYS = ("", "Video", "video\n", "image", "caption", "sentences", "annotations", "x" * 3000, "\ud800")


def damaged(content: bytes, rng: Random) -> bytes:
    """The bytes with one to three kinds of damage, never the same bytes."""
    while True:
        result = content
        for _ in range(rng.integers(1, 4)):
            result = _DAMAGES[rng.integers(len(_DAMAGES))](result, rng)
        if result != content:
            return result


def damaged_json(value: Any, rng: Random) -> Any:
    """The value with one to three of its parts swapped for something else, renamed, dropped, doubled or nested."""
    whole = [deepcopy(value)]
    for _ in range(rng.integers(1, 4)):
        if places := list(_places(whole[0], whole, 0)):
            container, key = places[rng.integers(len(places))]
            _CHANGES[rng.integers(len(_CHANGES))](container, key, rng)
        whole = whole or [None]
    return whole[0]


def _span(content: bytes, rng: Random, longest: int = 64) -> tuple[int, int]:
    start = int(rng.integers(len(content) + 1))
    return start, min(len(content), start + int(rng.integers(1, longest)))


def _flip_bits(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for position in rng.integers(len(changed), size=rng.integers(1, 9)) if changed else ():
        changed[position] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(content: bytes, rng: Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + rng.bytes(end - start) + content[end:]


def _blank(content: bytes, rng: Random) -> bytes:
    start, end = _span(content, rng, 512)
    return content[:start] + bytes([rng.choice([0, 255])]) * (end - start) + content[end:]


def _truncate(content: bytes, rng: Random) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _double(content: bytes, rng: Random) -> bytes:
    start, end = _span(content, rng, 512)
    return content[:end] + content[start:end] + content[end:]


def _cut_out(content: bytes, rng: Random) -> bytes:
    start, end = _span(content, rng, 512)
    return content[:start] + content[end:]


def _swap(content: bytes, rng: Random) -> bytes:
    first, second = sorted(int(place) for place in rng.integers(len(content) + 1, size=2))
    length = min(second - first, len(content) - second, 256)
    one, other = content[first : first + length], content[second : second + length]
    return content[:first] + other + content[first + length : second] + one + content[second + length :]


_DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip_bits, _flip_bits, _overwrite, _blank, _truncate, _double, _cut_out, _swap
)  # fmt: skip


def _places(value: Any, container: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    """Each part of a value as its container and its key there."""
    yield container, key
    if isinstance(value, dict | list):
        for inner in list(value) if isinstance(value, dict) else range(len(value)):
            yield from _places(value[inner], value, inner)


def _swap_type(container: Any, key: Any, rng: Random) -> None:
    container[key] = STRANGE[rng.integers(len(STRANGE))]


def _drop(container: Any, key: Any, rng: Random) -> None:
    del container[key]


def _rename(container: Any, key: Any, rng: Random) -> None:
    if isinstance(container, dict):
        container[STRANGE_KEYS[rng.integers(len(STRANGE_KEYS))]] = container.pop(key)


def _repeat(container: Any, key: Any, rng: Random) -> None:
    if isinstance(container, list):
        container.insert(key, container[key])


def _nest(container: Any, key: Any, rng: Random) -> None:
    container[key] = [container[key]] if rng.integers(2) else {"video": container[key]}


_CHANGES = (_swap_type, _swap_type, _drop, _rename, _repeat, _nest)
