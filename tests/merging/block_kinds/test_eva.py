"""timm's Eva blocks in parts, against timm's own block."""

import pytest
import timm
import torch
from timm.models.eva import Eva, EvaBlock, EvaBlockPostNorm
from torch import Tensor, nn

from vidtldr.merging.block_kinds.eva import EvaParts, eva_in_parts
from vidtldr.merging.block_kinds.side import take_side
from vidtldr.merging.plans import PrunePlan

OPTIONS = [
    {},
    {"qkv_fused": False, "swiglu_mlp": True, "scale_mlp": True},
    {"qkv_bias": False, "swiglu_mlp": True, "init_values": 0.3},
    {"scale_attn_inner": True, "rotate_half": True, "num_prefix_tokens": 3},
    {"gated_attn": True, "drop_path": 0.5, "attn_drop": 0.2, "proj_drop": 0.1},
    {"attn_type": "rope", "rotate_half": True, "num_prefix_tokens": 5, "gated_attn": True},
    {"attn_type": "rope", "qkv_fused": False, "scale_attn_inner": True},
]
PRE_NORM_OPTIONS = [
    {"qk_norm": True, "init_values": 0.3, "attn_only_layer_scale": True},
    {"attn_type": "rope", "qkv_fused": False, "num_kv_heads": 2, "qk_norm": True},
]
CASES = [(EvaBlock, options) for options in OPTIONS + PRE_NORM_OPTIONS] + [(EvaBlockPostNorm, o) for o in OPTIONS]


def _block(kind: type[nn.Module], options: dict) -> nn.Module:
    torch.manual_seed(0)
    block = kind(dim=32, num_heads=4, **options).double()
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            if name.endswith("bias") or "gamma" in name or parameter.ndim == 1:
                parameter += torch.randn_like(parameter) * 0.2  # biases start at 0, where they could be forgotten
            else:
                parameter *= 3
    return block


def _rope(form: str, num_patches: int) -> Tensor | None:
    """Angles of one rotation a patch, head or clip, as sines beside cosines."""
    torch.manual_seed(3)
    shape = {"patch": (), "head": (4,), "clip": (3, 1), "clip and head": (3, 4)}.get(form)
    if shape is None:
        return None
    angles = torch.randn(*shape, num_patches, 4, dtype=torch.float64).repeat_interleave(2, dim=-1)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _run(parts: EvaParts, x: Tensor, side: tuple[Tensor, ...]) -> Tensor:
    projected = parts.project(x, side)
    scores = projected.query @ projected.key.transpose(-2, -1) * projected.scale
    weights = nn.functional.dropout(scores.softmax(dim=-1), projected.dropout)
    return parts.add_mlp(parts.add_attention(x, weights @ projected.value, projected))


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
@pytest.mark.parametrize("form", ["none", "patch", "head", "clip", "clip and head"])
def test_the_parts_are_the_block(kind: type[nn.Module], options: dict, form: str) -> None:
    if form in ("head", "clip and head") and options.get("num_kv_heads"):
        pytest.skip("timm has no rotation of each head where heads share keys")
    block = _block(kind, options).eval()
    x = torch.randn(3, 5 + 11, 32, dtype=torch.float64)
    rope = _rope(form, 16 - options.get("num_prefix_tokens", 1))
    parts = eva_in_parts(block)
    with torch.no_grad():
        expected = block(x, rope=rope)
        torch.testing.assert_close(_run(parts, x, parts.side(x, rope=rope)), expected, atol=1e-12, rtol=0)
        assert rope is None or not torch.allclose(block(x), expected)  # the rotation makes a difference


@pytest.mark.parametrize(("kind", "options"), [case for case in CASES if case[1].get("drop_path")], ids=str)
def test_a_block_in_training_draws_the_same_dropout(kind: type[nn.Module], options: dict) -> None:
    block = _block(kind, options).train()
    for attention in (block.attn,):
        attention.fused_attn = False
    x, rope = torch.randn(3, 16, 32, dtype=torch.float64), _rope("patch", 15)
    parts = eva_in_parts(block)
    torch.manual_seed(1)
    expected = block(x, rope=rope)
    torch.manual_seed(1)
    torch.testing.assert_close(_run(parts, x, parts.side(x, rope)), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("form", ["patch", "head"])
def test_tokens_that_stay_keep_their_own_rotation(form: str) -> None:
    """Of tokens that no longer stand side by side, each clip has others."""
    block, rope = _block(EvaBlock, {"num_prefix_tokens": 2}).eval(), _rope(form, 10)
    x = torch.randn(3, 12, 32, dtype=torch.float64)
    kept = torch.stack([torch.tensor(row) for row in ([0, 1, 3, 7, 8], [0, 1, 2, 5, 11], [0, 1, 4, 9, 10])])
    dropped = torch.stack([torch.tensor(sorted(set(range(12)) - set(row.tolist()))) for row in kept])
    plan, parts = PrunePlan(12, kept, dropped), eva_in_parts(block)
    with torch.no_grad():
        merged = _run(parts, plan.take(x), take_side(parts.side(x, rope), plan))
        for clip, rows in enumerate(kept):
            alone = block(x[clip : clip + 1, rows], rope=rope[..., rows[2:] - 2, :])
            torch.testing.assert_close(merged[clip : clip + 1], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("refused", [{"attn_mask": torch.ones(4, 4)}, {"is_causal": True}], ids=str)
def test_masked_attention_is_refused(refused: dict) -> None:
    parts = eva_in_parts(_block(EvaBlock, {}))
    with pytest.raises(ValueError, match="takes no attention mask"):
        parts.side(torch.zeros(1, 4, 32), **refused)


def test_a_block_with_a_forward_of_its_own_is_not_taken_for_timms() -> None:
    class Renamed(EvaBlock):
        pass

    class Doubling(EvaBlock):
        def forward(self, x: Tensor, **options: object) -> Tensor:
            return 2 * super().forward(x, **options)

    assert eva_in_parts(Renamed(32, 4)) is not None
    assert eva_in_parts(Doubling(32, 4)) is None
    assert eva_in_parts(nn.Linear(3, 3)) is None


@pytest.mark.parametrize(
    ("name", "num_prefix"),
    [
        ("eva02_tiny_patch14_224", 1),
        ("vit_small_patch16_rope_224", 1),
        ("vit_small_patch16_rope_mixed_224", 1),
        ("vit_pe_core_tiny_patch16_384", 1),
        ("vit_small_patch16_dinov3", 5),
    ],
)
def test_published_models_are_made_of_these_blocks(name: str, num_prefix: int) -> None:
    model = timm.create_model(name, depth=2, img_size=64, num_classes=3).eval()
    assert isinstance(model, Eva)
    assert model.num_prefix_tokens == num_prefix
    with torch.no_grad():
        expected = model(images := torch.randn(2, 3, 64, 64))
        x, rope = model._pos_embed(model.patch_embed(images))
        x = model.norm_pre(x)
        for layer, block in enumerate(model.blocks):
            parts = eva_in_parts(block)
            of_layer = rope[layer] if getattr(model, "rope_mixed", False) else rope
            x = _run(parts, x, parts.side(x, rope=of_layer))
    torch.testing.assert_close(model.forward_head(model.norm(x)), expected, atol=1e-6, rtol=1e-5)
