"""Models of the libraries that walk through their layers themselves: timm's Eva and Hugging Face's encoders."""

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn

from vidtldr.merging import (
    Base,
    RandomDrop,
    Rollout,
    SaliencyPruning,
    SimilarDrop,
    ToMe,
    VidTLDR,
    apply,
    merging,
    remove,
)

transformers = pytest.importorskip("transformers", reason="needs transformers: pip install transformers")

_SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
_VIDEO = {"image_size": 32, "num_frames": 4, "tubelet_size": 2}


def _eva(name: str, **options: object) -> nn.Module:
    return timm.create_model(name, img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=3, **options)


def _vivit() -> nn.Module:
    config = transformers.VivitConfig(image_size=32, num_frames=4, tubelet_size=[2, 8, 8], **_SIZES)
    return transformers.VivitForVideoClassification(config)


def _videomae() -> nn.Module:
    config = transformers.VideoMAEConfig(patch_size=8, **_VIDEO, **_SIZES)
    return transformers.VideoMAEForVideoClassification(config)


def _vjepa2() -> nn.Module:
    config = transformers.VJEPA2Config(
        patch_size=8, crop_size=32, frames_per_clip=4, tubelet_size=2, hidden_size=48, num_attention_heads=2,
        num_hidden_layers=3, mlp_ratio=2, pred_hidden_size=24, pred_num_attention_heads=2, pred_num_hidden_layers=1,
        num_pooler_layers=1,
    )  # fmt: skip
    return transformers.VJEPA2ForVideoClassification(config)


def _clip() -> nn.Module:
    config = transformers.CLIPVisionConfig(image_size=32, patch_size=4, projection_dim=16, **_SIZES)
    return transformers.CLIPVisionModelWithProjection(config)


def _siglip() -> nn.Module:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(image_size=32, patch_size=4, **_SIZES))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "EVA-02": (lambda: _eva("eva02_tiny_patch14_224", ref_feat_shape=(4, 4)), (3, 32, 32)),
    "DINOv3": (lambda: _eva("vit_small_patch16_dinov3"), (3, 32, 32)),
    "mixed rope": (lambda: _eva("vit_small_patch16_rope_mixed_224"), (3, 32, 32)),
    "VideoMAE": (_videomae, (4, 3, 32, 32)),
    "ViViT": (_vivit, (4, 3, 32, 32)),
    "V-JEPA 2": (_vjepa2, (4, 3, 32, 32)),
    "CLIP": (_clip, (3, 32, 32)),
    "SigLIP": (_siglip, (3, 32, 32)),
}


def _output(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        output = model(x)
    for name in ("logits", "image_embeds", "pooler_output"):
        if hasattr(output, name):
            return getattr(output, name)
    return output


@pytest.fixture(params=MODELS, scope="module")
def model_and_input(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    make, shape = MODELS[request.param]
    torch.manual_seed(0)
    model = make().eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.15)
    return model, torch.randn(3, *shape)


METHODS = [ToMe(r=3), VidTLDR(r=[3, 2]), SaliencyPruning(r=[3, 2]), SimilarDrop(r=[2, 2]), Rollout(r=[3, 2])]


def test_without_tokens_that_go_outputs_are_those_of_the_library(model_and_input) -> None:
    model, x = model_and_input
    expected = _output(model, x)
    for method in (Base(), ToMe(r=0)):
        with merging(model, method):
            assert torch.equal(_output(model, x), expected)
    assert torch.equal(_output(model, x), expected)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_batch_equals_its_clips_and_nothing_is_left_behind(model_and_input, method) -> None:
    model, x = model_and_input
    before, keys = _output(model, x), list(model.state_dict())
    apply(model, method)
    together = _output(model, x)
    alone = torch.cat([_output(model, clip.unsqueeze(0)) for clip in x])
    assert list(model.state_dict()) == keys
    remove(model)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together, before, atol=1e-6)
    assert torch.equal(_output(model, x), before)


def test_the_observer_hears_of_every_layer_and_each_token_is_somewhere(model_and_input) -> None:
    model, x = model_and_input
    records = []
    with merging(model, ToMe(r=[3, 2]), observer=records.append):
        _output(model, x)
    first = records[0].owner.shape[1]
    assert [record.layer for record in records] == [0, 1, 2]
    assert [record.tokens.shape[1] for record in records] == [first - 3, first - 5, first - 5]
    for record in records:
        assert record.owner.min() >= 0
        torch.testing.assert_close(record.mass.sum(dim=1), torch.full((3,), float(first)))


def test_rotations_go_with_the_tokens_that_stay_as_in_a_loop_over_layers() -> None:
    torch.manual_seed(0)
    model = _eva("vit_small_patch16_dinov3", init_values=0.5).eval()
    x, records = torch.randn(2, 3, 32, 32), []
    with merging(model, SimilarDrop(r=[3, 2]), observer=records.append):
        merged = _output(model, x)
    with torch.no_grad():
        tokens, rope = model._pos_embed(model.patch_embed(x))
        num_prefix = model.num_prefix_tokens
        rope = rope.expand(2, 1, *rope.shape[-2:])
        for block, record in zip(model.blocks, records, strict=True):
            tokens = tokens + block.gamma_1 * block.attn(block.norm1(tokens), rope=rope)
            if record.plan is not None:
                kept = record.plan.kept
                tokens = torch.stack([clip[rows] for clip, rows in zip(tokens, kept, strict=True)])
                patches = kept[:, num_prefix:] - num_prefix
                rope = torch.stack([turns[:, rows] for turns, rows in zip(rope, patches, strict=True)])
            tokens = tokens + block.gamma_2 * block.mlp(block.norm2(tokens))
        expected = model.forward_head(model.norm(tokens))
    torch.testing.assert_close(merged, expected, rtol=1e-4, atol=1e-5)


def test_a_method_that_looks_at_the_pixels_says_where_it_cannot() -> None:
    with pytest.raises(ValueError, match=r"CLIPEncoder has no `patch_embed\.proj`, by which a method sees the clip"):
        apply(_clip(), RandomDrop(r=[2]))


def test_a_slice_of_the_layers_runs_as_far_as_it_goes() -> None:
    model = _eva("vit_small_patch16_dinov3").eval()
    x = torch.randn(1, 3, 32, 32)
    records = []
    with merging(model, ToMe(r=[3, 2]), observer=records.append), torch.no_grad():
        tokens, rope = model._pos_embed(model.patch_embed(x))
        for block in model.blocks[:2]:
            tokens = block(tokens, rope=rope)
    assert torch.equal(tokens, records[1].tokens)
    assert len(records) == 2


def test_masks_are_refused_in_a_sentence() -> None:
    model = _eva("vit_small_patch16_dinov3").eval()
    with merging(model, ToMe(r=2)), pytest.raises(ValueError, match="mask"):
        model.forward_features(torch.randn(1, 3, 32, 32), attn_mask=torch.ones(1, 1, 21, 21, dtype=torch.bool))
