"""Chance: the same for a clip wherever it runs, and fair."""

import subprocess
import sys

import pytest
import torch

from tests.helpers.vits import CLIPS, IMAGES, averaging_vit, image_vit, video_vit
from vidtldr.merging import LayerRecord, Method, RandomDrop, RandomMerge, merging

METHODS = [RandomDrop([6, 0, 3], seed=5), RandomMerge([6, 0, 3], seed=5)]


def _records(method: Method, x: torch.Tensor, make=video_vit) -> list[LayerRecord]:
    records: list[LayerRecord] = []
    with torch.no_grad(), merging(make(), method, observer=records.append) as model:
        model(x)
    return records


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize(("make", "shape"), [(video_vit, CLIPS), (image_vit, IMAGES)])
def test_a_clip_loses_the_same_tokens_in_any_batch_and_at_any_place_in_it(make, shape, method: Method) -> None:
    x = torch.randn(7, *shape)
    together = _records(method, x, make)[-1].owner
    order = [6, 2, 0, 5]
    assert torch.equal(_records(method, x[order], make)[-1].owner, together[order])
    for clip in range(7):
        assert torch.equal(_records(method, x[clip : clip + 1], make)[-1].owner, together[clip : clip + 1])
    assert together.unique(dim=0).shape[0] == 7  # but every clip has its own


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_hangs_on_the_pixels_and_not_on_what_the_model_makes_of_them(method: Method, dtype: torch.dtype) -> None:
    x = torch.randn(3, *CLIPS).to(dtype)
    model = video_vit()
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn_like(weight) / 100
    expected, records = _records(method, x.float()), []
    with torch.no_grad(), merging(model.to(dtype), method, observer=records.append):
        model(x)
    assert torch.equal(records[-1].owner, expected[-1].owner)


@pytest.mark.parametrize("kind", [RandomDrop, RandomMerge])
def test_layers_and_seeds_draw_anew(kind: type[Method]) -> None:
    x = torch.randn(2, *CLIPS)
    first, second, *_ = _records(kind([8, 8], seed=1), x)
    places = [record.plan.origins()[1].sort(dim=1).values for record in (first, second)]
    assert not torch.equal(*places)
    assert not torch.equal(_records(kind([8, 8], seed=2), x)[0].owner, first.owner)
    assert torch.equal(_records(kind([8, 8], seed=1), x)[0].owner, first.owner)


def test_every_token_is_dropped_as_often_as_any_other() -> None:
    records = _records(RandomDrop([4]), torch.randn(1000, *IMAGES), averaging_vit)
    dropped = (records[-1].owner < 0).float().mean(dim=0)
    assert abs(dropped - 4 / 16).max() < 5 * (0.25 * 0.75 / 1000) ** 0.5


def test_every_token_merges_and_is_merged_into_as_often_as_any_other() -> None:
    plan = _records(RandomMerge([4]), torch.randn(1000, *IMAGES), averaging_vit)[0].plan
    for places in (plan.source, plan.target):
        share = torch.bincount(places.flatten(), minlength=16) / 4000
        assert abs(share - 1 / 16).max() < 5 * (1 / 16 / 4000) ** 0.5


def test_the_class_token_is_never_taken() -> None:
    for method in (RandomDrop([10, 4]), RandomMerge([8, 4])):
        owner = _records(method, torch.randn(50, *IMAGES), image_vit)[-1].owner
        assert (owner[:, 0] == 0).all()
        assert (owner[:, 1:] != 0).all()


def test_another_process_takes_the_same_tokens() -> None:
    code = (
        "import torch; from tests.helpers.vits import video_vit; from vidtldr.merging import RandomDrop, merging\n"
        "x, records = torch.arange(2 * 3 * 6 * 32 * 32.0).view(2, 3, 6, 32, 32).sin(), []\n"
        "with torch.no_grad(), merging(video_vit(), RandomDrop([20], seed=4), observer=records.append) as model:\n"
        "    model(x)\n"
        "print((records[-1].owner < 0).nonzero()[:, 1].tolist())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    x = torch.arange(2 * 3 * 6 * 32 * 32.0).view(2, 3, 6, 32, 32).sin()
    assert printed == f"{(_records(RandomDrop([20], seed=4), x)[-1].owner < 0).nonzero()[:, 1].tolist()}\n"


@torch.no_grad()
def test_blocks_that_run_without_a_clip_say_what_they_need() -> None:
    model = video_vit()
    with merging(model, METHODS[0]), pytest.raises(RuntimeError, match="needs the pixels of the clip: call the model"):
        model.blocks(torch.zeros(1, 48, 32))


def test_a_model_without_a_patch_embedding_is_refused() -> None:
    holder = torch.nn.Module()
    holder.blocks = image_vit().blocks
    with pytest.raises(ValueError, match=r"Module has no `patch_embed.proj`, by which a method sees the clip"):
        merging(holder, METHODS[0]).__enter__()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True])
@pytest.mark.parametrize("kind", [RandomDrop, RandomMerge])
def test_a_seed_is_a_whole_number(kind: type[Method], seed: object) -> None:
    with pytest.raises(ValueError, match=f"seed={seed} is not a whole number from 0 to 4294967295"):
        kind(3, seed=seed)
