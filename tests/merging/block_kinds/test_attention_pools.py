"""Attention pools that weigh tokens by their masses: a token of mass m counts as m equal ones."""

from collections.abc import Callable

import pytest
import torch
from timm.layers import AttentionPoolLatent
from torch import Tensor, nn

from vidtldr.merging.block_kinds.attention_pools import weigh_attention_pools

MASSES = torch.tensor([[1, 3, 1, 2, 1], [2, 1, 1, 1, 3]])


def _timm(fused: bool) -> nn.Module:
    pool = AttentionPoolLatent(48, num_heads=4)
    pool.fused_attn = fused
    return pool


def _siglip() -> nn.Module:
    siglip = pytest.importorskip("transformers.models.siglip.modeling_siglip")
    config = siglip.SiglipVisionConfig(hidden_size=48, num_attention_heads=4, intermediate_size=80)
    return siglip.SiglipMultiheadAttentionPoolingHead(config)


def _siglip2() -> nn.Module:
    siglip = pytest.importorskip("transformers.models.siglip2.modeling_siglip2")
    config = siglip.Siglip2VisionConfig(
        hidden_size=48, num_attention_heads=4, intermediate_size=80, attn_implementation="sdpa"
    )
    return siglip.Siglip2MultiheadAttentionPoolingHead(config)


def _vjepa2(layers: int, attention: str = "sdpa") -> nn.Module:
    vjepa2 = pytest.importorskip("transformers.models.vjepa2.modeling_vjepa2")
    config = vjepa2.VJEPA2Config(
        hidden_size=48, num_attention_heads=4, num_pooler_layers=layers, attn_implementation=attention
    )
    return vjepa2.VJEPA2AttentivePooler(config)


POOLS = {
    "timm, fused": lambda: _timm(True),
    "timm": lambda: _timm(False),
    "SigLIP": _siglip,
    "SigLIP 2": _siglip2,
    "V-JEPA 2": lambda: _vjepa2(0),
    "V-JEPA 2 with layers": lambda: _vjepa2(2),
}


def _filled(pool: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in pool.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return pool.double().eval()


@pytest.mark.parametrize("build", POOLS.values(), ids=POOLS)
@torch.no_grad()
def test_a_token_of_mass_m_counts_as_m_equal_tokens(build: Callable[[], nn.Module]) -> None:
    pool, x = _filled(build()), torch.randn(2, 5, 48, dtype=torch.float64)
    repeated = torch.stack([tokens.repeat_interleave(mass, dim=0) for tokens, mass in zip(x, MASSES)])
    expected, plain = pool(repeated), pool(x)
    left: list[Tensor | None] = [MASSES.double()]
    handles = weigh_attention_pools(nn.Sequential(pool), lambda: left[0])
    torch.testing.assert_close(pool(x), expected, atol=1e-12, rtol=0)
    assert not torch.allclose(plain, expected, atol=1e-3)
    left[0] = None  # nothing has merged
    assert torch.equal(pool(x), plain)
    left[0] = MASSES.double()
    for handle in handles:
        handle.remove()
    assert torch.equal(pool(x), plain)


@torch.no_grad()
def test_the_head_of_siglip2_is_not_shown_the_mask_of_tokens_that_are_gone() -> None:
    pool, x = _filled(_siglip2()), torch.randn(2, 5, 48, dtype=torch.float64)
    expected = pool(x)
    weigh_attention_pools(pool, lambda: None)
    assert torch.equal(pool(x, torch.ones(2, 16, dtype=torch.int64)), expected)
    partly = torch.tensor([[1, 1, 1, 0, 0]] * 2)  # of tokens that are all there, it is the head's own affair
    torch.testing.assert_close(pool(x, partly), pool(x[:, :3]), atol=1e-12, rtol=0)


def test_a_pool_that_drops_its_mask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attn_implementation='sdpa'.*proportional_attention: false"):
        weigh_attention_pools(_vjepa2(1, attention="eager"), lambda: None)


def test_a_model_without_a_pool_is_left_alone() -> None:
    assert weigh_attention_pools(nn.Sequential(nn.Linear(3, 3)), lambda: None) == []
