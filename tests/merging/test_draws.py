"""Random numbers of a clip, against a hash in plain Python, and what chance must look like."""

import subprocess
import sys

import pytest
import torch

from vidtldr.merging.draws import clip_keys, uniform

CLIPS = (3, 2, 8, 8)


def _mix(word: int) -> int:
    for _ in range(2):
        word = ((word ^ word >> 16) * 0x45D9F3B) % 2**32
    return word ^ word >> 16


def test_numbers_equal_a_slow_hash_in_whole_numbers() -> None:
    pixels = torch.tensor([[0.5, -1.25, 3.0], [0.0, 0.0, 1e9]])
    levels = [[2048, -5120, 12288], [0, 0, 2**31]]
    keys = []
    for clip in levels:
        total = sum(level % 2**32 * (_mix(place) >> 4) >> 28 for place, level in enumerate(clip))
        keys.append(_mix((total ^ total >> 32) % 2**32))
    assert clip_keys(pixels).tolist() == keys
    drawn = uniform(torch.tensor(keys), 5, seed=7, layer=2, draw=1)
    for key, row in zip(keys, drawn.tolist()):
        word = key
        for value in (7, 2, 1):
            word = _mix(word ^ _mix(value))
        assert row == [(_mix(word ^ _mix(token)) >> 8) / 2**24 for token in range(5)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_clip_has_its_key_wherever_it_stands(dtype: torch.dtype) -> None:
    clips = torch.randn(6, *CLIPS).to(dtype)
    keys = clip_keys(clips)
    assert keys.unique().numel() == 6
    assert torch.equal(clip_keys(clips[[5, 0, 3]]), keys[[5, 0, 3]])
    assert torch.equal(torch.cat([clip_keys(clip.unsqueeze(0)) for clip in clips]), keys)
    assert torch.equal(clip_keys(clips.transpose(1, 2).contiguous().transpose(1, 2)), keys)  # however it is laid out


def test_one_level_of_one_pixel_or_two_pixels_exchanged_make_another_clip() -> None:
    pixels = ((torch.arange(192.0).view(1, 3, 8, 8) / 255 - 0.45) / 0.225).contiguous()
    brighter, exchanged = pixels.clone(), pixels.clone()
    brighter[0, 1, 4, 4] += 1 / 255 / 0.225
    exchanged[0, 0, 0, :2] = pixels[0, 0, 0, :2].flip(0)
    keys = clip_keys(torch.cat([pixels, brighter, exchanged]))
    assert keys.unique().numel() == 3


def test_another_process_draws_the_same() -> None:
    code = (
        "import torch; from vidtldr.merging.draws import clip_keys, uniform\n"
        "clips = torch.arange(768.0).view(2, 384).sin()\n"
        "print(uniform(clip_keys(clips), 50, seed=3, layer=1).double().sum(1).tolist())"
    )
    printed = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    here = uniform(clip_keys(torch.arange(768.0).view(2, 384).sin()), 50, seed=3, layer=1).double().sum(1).tolist()
    assert printed == {f"{here}\n".encode()}


def test_numbers_are_spread_evenly_and_differ_with_each_cause() -> None:
    keys = clip_keys(torch.randn(200, *CLIPS))
    numbers = uniform(keys, 500, seed=0, layer=0)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = torch.histc(numbers, bins=50, min=0, max=1)
    assert ((counts - 2000) ** 2 / 2000).sum() < 100  # chi-squared of 49 degrees: 99.998 % lie below
    assert abs(numbers.mean(dim=0) - 0.5).max() < 5 * (1 / 12 / 200) ** 0.5  # no token is preferred
    others = [{"seed": 1, "layer": 0}, {"seed": 0, "layer": 1}, {"seed": 0, "layer": 0, "draw": 1}]
    for causes in others:
        other = uniform(keys, 500, **causes)
        correlation = torch.corrcoef(torch.stack([numbers.flatten(), other.flatten()]))[0, 1]
        assert abs(correlation) < 5 / 100_000**0.5
