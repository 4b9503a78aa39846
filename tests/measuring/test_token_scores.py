"""Scores on patches against slow computations from explicit attention maps, for joint and for single-frame models."""

import math

import pytest
import torch
from torch import Tensor, nn

from vidtldr.measuring.clip_grid import ClipGrid, encoder_input
from vidtldr.measuring.token_scores import layer_scores, query_attention, rollout_scores
from vidtldr.merging import (
    METHODS,
    Attentiveness,
    LayerRecord,
    Method,
    Rollout,
    SaliencyPruning,
    ToMe,
    VidTLDR,
    merging,
)
from vidtldr.models.umt import UMTVisionEncoder
from vidtldr.models.videomae import VideoMAE, VideoMAESize
from vidtldr.models.vifi_clip import CLIPVisionEncoder

FRAMES = 4
SIZES = {"width": 32, "depth": 3, "num_heads": 2}


@pytest.fixture(scope="module")
def encoders() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    made = {
        "umt": UMTVisionEncoder(num_frames=FRAMES, image_size=48, **SIZES),  # 4 x 3 x 3
        "videomae": VideoMAE(VideoMAESize(**SIZES), num_classes=3, num_frames=FRAMES, image_size=48),  # 2 x 3 x 3
        "clip": CLIPVisionEncoder(image_size=24, patch_size=8, joint_dim=8, **SIZES),  # 4 x (1 + 3 x 3)
    }
    for encoder in made.values():
        encoder.eval()
        with torch.no_grad():
            for block in encoder.blocks:
                block.attn.qkv.weight *= 8  # attention that differs from token to token
    return made


def _clips(encoder: nn.Module, count: int = 2) -> Tensor:
    size = encoder.input_shape[-1]
    clips = torch.randint(0, 256, (count, FRAMES, 3, size, size), generator=torch.Generator().manual_seed(1))
    return encoder_input(encoder, clips.to(torch.uint8))


def _maps(encoder: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Explicit maps of the unreduced model, ``[b', h, n, n]`` of each layer."""
    maps: list[Tensor] = []

    def see(block: nn.Module, args: tuple[Tensor]) -> None:
        attn, x = block.attn, block.norm1(args[0])
        query, key, _ = attn.qkv(x).reshape(*x.shape[:2], 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        maps.append((query @ key.transpose(-2, -1) * attn.head_dim**-0.5).softmax(dim=-1))

    handles = [block.register_forward_pre_hook(see) for block in encoder.blocks]
    with torch.no_grad():
        encoder(inputs)
    for handle in handles:
        handle.remove()
    return maps


@pytest.mark.parametrize(("name", "shape"), [("umt", (4, 3, 3)), ("videomae", (2, 3, 3)), ("clip", (4, 3, 3))])
def test_scores_of_base_are_those_of_the_explicit_maps(
    name: str, shape: tuple[int, ...], encoders: dict[str, nn.Module]
) -> None:
    encoder = encoders[name]
    inputs, prefix = _clips(encoder), encoder.num_prefix_tokens
    layers = layer_scores(encoder, inputs, num_frames=FRAMES)
    assert [scores.layer for scores in layers] == [0, 1, 2]
    for scores, maps in zip(layers, _maps(encoder, inputs), strict=True):
        assert scores.attentiveness.shape == (2, *shape)
        received = maps.mean(dim=(1, 2))[:, prefix:].reshape(2, *shape)
        torch.testing.assert_close(scores.attentiveness, received)
        mean = maps.mean(dim=1)
        entropy = (mean * mean.log()).sum(dim=-1)[:, prefix:].reshape(2, *shape)
        torch.testing.assert_close(scores.sharpness, entropy, atol=1e-5, rtol=1e-5)
        assert scores.saliency.min() == 0
        assert scores.saliency.amax(dim=(1, 2, 3)).tolist() == [1, 1]
        assert bool((scores.share == 1).all())
        assert bool((scores.mass == 1).all())
        assert scores.owner.flatten(1).unique(dim=1).shape[1] == math.prod(shape)  # each patch by itself


@pytest.mark.parametrize("name", ["umt", "videomae", "clip"])
def test_rollout_is_the_column_mean_of_the_product(name: str, encoders: dict[str, nn.Module]) -> None:
    encoder = encoders[name]
    inputs, prefix = _clips(encoder), encoder.num_prefix_tokens
    maps = [layer.mean(dim=1) for layer in _maps(encoder, inputs)]
    flow = torch.eye(maps[0].shape[-1])
    for mean in maps:
        flow = (mean + torch.eye(len(flow[0]))) / 2 @ flow
    scores = rollout_scores(encoder, inputs, num_frames=FRAMES)
    expected = flow.mean(dim=1)[:, prefix:].reshape(scores.shape)
    torch.testing.assert_close(scores, expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", ["umt", "videomae", "clip"])
def test_the_row_of_a_query_is_that_of_the_explicit_map(name: str, encoders: dict[str, nn.Module]) -> None:
    encoder = encoders[name]
    inputs = _clips(encoder)
    maps = _maps(encoder, inputs)[1].mean(dim=1)
    row = query_attention(encoder, inputs, (1, 2, 0), num_frames=FRAMES, layer=1)
    if name == "clip":  # the frame alone, behind its class token
        expected = torch.zeros(2, 4, 3, 3)
        expected[:, 1] = maps.reshape(2, 4, 10, 10)[:, 1, 1 + 2 * 3, 1:].reshape(2, 3, 3)
    else:
        expected = maps[:, 9 + 2 * 3].reshape(row.shape)
    torch.testing.assert_close(row, expected)


METHODS_TRIED = [
    ToMe([3, 2]),
    VidTLDR([3, 2]),
    Attentiveness([3, 2]),
    Rollout([3, 2]),
    SaliencyPruning([3, 2], before="layer"),
    Attentiveness([3, 2], before="layer"),
]


def test_every_method_is_tried() -> None:
    assert {type(method).name for method in METHODS_TRIED} == set(METHODS) - {"base"}


@pytest.mark.parametrize("name", ["umt", "clip"])
@pytest.mark.parametrize("method", METHODS_TRIED, ids=str)
def test_under_a_method_a_patch_has_the_score_of_its_token(
    name: str, method: Method, encoders: dict[str, nn.Module]
) -> None:
    encoder = encoders[name]
    inputs, prefix = _clips(encoder), encoder.num_prefix_tokens
    records: list[LayerRecord] = []
    with torch.no_grad(), merging(encoder, method, observer=records.append):
        encoder(inputs)
    before = torch.arange(inputs.shape[0]).new_tensor(range(9 * (4 if name == "umt" else 1) + prefix))
    before = before.expand(len(inputs), -1)
    layers = layer_scores(encoder, inputs, num_frames=FRAMES, method=method)
    for scores, record in zip(layers, records, strict=True):
        if method.statistic == "sharpness" and method.before == "mlp" and record.score is not None:
            seen = torch.cat([record.score[:, :1].repeat(1, prefix), record.score], dim=1)  # prefix is never asked for
            owner = before[:, prefix:]
            expected = seen.gather(1, owner.clamp(min=0)).masked_fill(owner < 0, torch.nan).reshape(2, 4, 3, 3)
            torch.testing.assert_close(scores.sharpness, expected, equal_nan=True)
        gone = before if method.before == "mlp" else record.owner
        assert torch.equal(scores.saliency.isnan(), (gone[:, prefix:] < 0).reshape(2, 4, 3, 3))
        per_clip = scores.owner.flatten(1)
        assert [len(set(row.tolist()) - {-1}) for row in per_clip] == [scores.num_tokens - prefix * 4] * 2
        if record.mass is not None:  # each token's mass is spread over its patches
            total = record.mass[:, prefix:].reshape(2, -1).sum(dim=1)
            torch.testing.assert_close(scores.mass.sum(dim=(1, 2, 3)), total)
        before = record.owner
    assert (layers[-1].share < 1).any() == (not isinstance(method, ToMe))


def test_the_query_of_a_dropped_patch_says_nothing(encoders: dict[str, nn.Module]) -> None:
    encoder, method = encoders["umt"], SaliencyPruning([30])
    inputs = _clips(encoder, 1)
    gone = (layer_scores(encoder, inputs, num_frames=FRAMES, method=method)[0].owner < 0)[0].nonzero()[0]
    row = query_attention(encoder, inputs, tuple(gone.tolist()), num_frames=FRAMES, method=method, layer=1)
    assert bool(row.isnan().all())


def test_a_place_outside_the_clip_is_answered_with_its_size(encoders: dict[str, nn.Module]) -> None:
    inputs = _clips(encoders["videomae"], 1)
    with pytest.raises(ValueError, match=r"no patch 2,0,0: a clip has 2 x 3 x 3 \(steps, rows, columns\)"):
        query_attention(encoders["videomae"], inputs, (2, 0, 0), num_frames=FRAMES)
    with pytest.raises(ValueError, match="no layer 4: the model has 3"):
        query_attention(encoders["videomae"], inputs, (1, 0, 0), num_frames=FRAMES, layer=3)


def test_scoring_leaves_the_model_as_it_was(encoders: dict[str, nn.Module]) -> None:
    encoder = encoders["umt"]
    inputs = _clips(encoder)
    with torch.no_grad():
        before = encoder(inputs)[0]
        layer_scores(encoder, inputs, num_frames=FRAMES, method=VidTLDR([3]), depth=1)
        assert torch.equal(encoder(inputs)[0], before)
    assert type(encoder.blocks) is nn.Sequential
    assert not encoder.blocks._forward_pre_hooks


def test_grids_tell_joint_models_from_those_of_single_frames(encoders: dict[str, nn.Module]) -> None:
    assert ClipGrid.of(encoders["videomae"], FRAMES) == ClipGrid(2, 3, 3)
    assert ClipGrid.of(encoders["clip"], FRAMES) == ClipGrid(4, 3, 3, images_per_clip=4)
    assert ClipGrid.of(encoders["clip"], FRAMES).locate((2, 1, 1)) == (2, 4)
    assert ClipGrid.of(encoders["umt"], FRAMES).locate((2, 1, 1)) == (0, 22)
