"""Blocks in parts: timm's, and one of a user's own."""

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from vidtldr.merging import Attentiveness, Method, Projected, Rollout, SaliencyPruning, ToMe, VidTLDR, apply, merging
from vidtldr.merging.blocks import in_parts, run_attention

METHODS = [
    ToMe(3),
    VidTLDR([5, 2]),
    Attentiveness([4, 2]),
    SaliencyPruning([4, 2], before="layer"),
    Rollout([3, 3]),
]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"qkv_bias": True, "qk_norm": True, "init_values": 0.3},
        {"drop_path": 0.5, "attn_drop": 0.2, "proj_drop": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [False, True])
def test_the_parts_of_a_timm_block_are_the_block(options: dict, training: bool) -> None:
    torch.manual_seed(0)
    block, x = Block(dim=32, num_heads=4, **options).train(training), torch.randn(3, 11, 32)
    parts = in_parts(block)
    assert parts is not None
    torch.manual_seed(1)
    expected = block(x)
    torch.manual_seed(1)
    halfway, keys, read = run_attention(parts, x)
    assert torch.equal(parts.add_mlp(halfway), expected)
    assert keys.shape == (3, 4, 11, 8)
    assert read is None


class OwnBlock(nn.Module):
    """A block that timm does not know, with the parts that merging asks for; its weights are a timm block's."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.first, self.second, self.mixing, self.out = block.norm1, block.norm2, block.attn.qkv, block.attn.proj
        self.widen, self.narrow, self.heads = block.mlp.fc1, block.mlp.fc2, block.attn.num_heads

    def project(self, x: Tensor) -> Projected:
        normed = self.first(x)
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.mixing(normed).chunk(3, dim=2)
        )
        return Projected(normed, query, key, value, scale=query.shape[-1] ** -0.5)

    def add_attention(self, x: Tensor, attended: Tensor, projected: Projected) -> Tensor:
        return x + self.out(attended.transpose(1, 2).flatten(2))

    def add_mlp(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.gelu(self.widen(self.second(x))))

    def forward(self, x: Tensor) -> Tensor:
        projected = self.project(x)
        attended = F.scaled_dot_product_attention(projected.query, projected.key, projected.value)
        return self.add_mlp(self.add_attention(x, attended, projected))


def _vit() -> nn.Module:
    torch.manual_seed(0)
    model = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=32, depth=3, num_heads=2, num_classes=5
    ).eval()
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.weight *= 6  # attention that differs from token to token
    return model


@pytest.mark.parametrize("method", METHODS, ids=str)
@torch.no_grad()
def test_a_block_of_ones_own_that_has_the_parts_runs_under_every_method(method: Method) -> None:
    model, own = _vit(), _vit()
    own.blocks = nn.Sequential(*map(OwnBlock, own.blocks))
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(own(x), model(x), atol=1e-5, rtol=1e-5)
    with merging(model, method), merging(own, method):
        torch.testing.assert_close(own(x), model(x), atol=1e-5, rtol=1e-5)


def test_a_block_without_the_parts_is_refused() -> None:
    model = _vit()
    model.blocks[1] = nn.TransformerEncoderLayer(32, 2, batch_first=True)
    with pytest.raises(ValueError, match=r"layer 1 of .* is a TransformerEncoderLayer .* MergeableBlock"):
        apply(model, ToMe(3))
