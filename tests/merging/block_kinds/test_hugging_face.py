"""Layers of Hugging Face vision transformers in parts, against the library's own layer."""

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("transformers", minversion="5.0.0")
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedModel,
    Siglip2VisionConfig,
    Siglip2VisionModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    VideoMAEConfig,
    VideoMAEModel,
    VivitConfig,
    VivitModel,
    VJEPA2Config,
    VJEPA2Model,
)

from vidtldr.merging.block_kinds.hugging_face import HuggingFaceParts, hugging_face_in_parts
from vidtldr.merging.block_kinds.side import Side, take_side
from vidtldr.merging.plans import PrunePlan

SMALL = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
OF_VIT = SMALL | {"image_size": 32, "intermediate_size": 80}
OF_CLIP = SMALL | {"image_size": 32, "patch_size": 8, "intermediate_size": 80}
DROPOUT = {"attention_probs_dropout_prob": 0.2, "hidden_dropout_prob": 0.1}


def _videomae(**options: object) -> nn.ModuleList:
    config = VideoMAEConfig(**OF_VIT, patch_size=8, num_frames=4, attn_implementation="eager", **options)
    return _layers(VideoMAEModel(config))


def _vivit(**options: object) -> nn.ModuleList:
    config = VivitConfig(**OF_VIT, tubelet_size=[2, 8, 8], num_frames=4, attn_implementation="eager", **options)
    return _layers(VivitModel(config))


def _clip(**options: object) -> nn.ModuleList:
    return _layers(CLIPVisionModel(CLIPVisionConfig(**OF_CLIP, attn_implementation="eager", **options)))


def _siglip(**options: object) -> nn.ModuleList:
    config = SiglipVisionConfig(**OF_CLIP, attn_implementation="eager", **options)
    return _layers(SiglipVisionModel(config))


def _siglip2(**options: object) -> nn.ModuleList:
    config = Siglip2VisionConfig(**SMALL, intermediate_size=80, num_patches=16, attn_implementation="eager", **options)
    return _layers(Siglip2VisionModel(config))


def _vjepa2(**options: object) -> nn.ModuleList:
    config = VJEPA2Config(
        **SMALL, crop_size=32, patch_size=8, frames_per_clip=4, pred_hidden_size=48, pred_num_attention_heads=2,
        pred_num_hidden_layers=1, attn_implementation="eager", **options,
    )  # fmt: skip
    return _layers(VJEPA2Model(config))


def _layers(model: PreTrainedModel) -> nn.ModuleList:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # biases start at 0, where they could be forgotten
            parameter.copy_(torch.randn_like(parameter) * (0.4 if parameter.ndim == 1 else 0.2))
    return next(part for part in model.double().eval().modules() if isinstance(part, nn.ModuleList))


CASES = [
    (_videomae, {}),
    (_videomae, {"qkv_bias": False, "hidden_act": "relu"}),
    (_videomae, DROPOUT),
    (_vivit, {}),
    (_vivit, {"qkv_bias": False}),
    (_vivit, DROPOUT),
    (_clip, {}),
    (_clip, {"hidden_act": "gelu", "attention_dropout": 0.3}),
    (_siglip, {"attention_dropout": 0.3}),
    (_siglip2, {}),
    (_vjepa2, {}),
    (_vjepa2, {"qkv_bias": False, "mlp_ratio": 2}),
    (_vjepa2, {"drop_path_rate": 0.5, "attention_probs_dropout_prob": 0.2}),
]


def _run(parts: HuggingFaceParts, x: Tensor, side: Side) -> Tensor:
    projected = parts.project(x, side)
    scores = projected.query @ projected.key.transpose(-2, -1) * projected.scale
    weights = nn.functional.dropout(scores.softmax(dim=-1), projected.dropout)
    return parts.add_mlp(parts.add_attention(x, weights @ projected.value, projected))


@pytest.mark.parametrize(("build", "options"), CASES)
@pytest.mark.parametrize("training", [False, True])
def test_the_parts_are_the_layer(build, options: dict, training: bool) -> None:
    layer = build(**options)[1].train(training)
    x = torch.randn(3, 2 * 16, 48, dtype=torch.float64)
    parts = hugging_face_in_parts(layer)
    torch.manual_seed(1)
    output = layer(x) if parts.names.second is None else layer(x, None)
    torch.manual_seed(1)
    answer = parts.answer(_run(parts, x, parts.side(x, None)))
    assert type(answer) is type(output)
    expected, tokens = (output[0], answer[0]) if isinstance(output, tuple) else (output, answer)
    # V-JEPA 2 and others take the softmax in float32, whatever they run in.
    torch.testing.assert_close(tokens, expected, atol=1e-6, rtol=1e-6)
    torch.manual_seed(1)
    assert torch.equal(parts.run(x) if parts.names.second is None else parts.run(x, None), expected)


@pytest.mark.parametrize("places", ["by name", "by place", "first of the grid"])
def test_tokens_of_vjepa2_that_stay_keep_their_place_in_the_grid(places: str) -> None:
    layer = _vjepa2()[0]
    x = torch.randn(3, 32, 48, dtype=torch.float64)
    kept = torch.stack([torch.tensor(row) for row in ([0, 1, 5, 17], [3, 12, 20, 31], [8, 9, 10, 30])])
    dropped = torch.stack([torch.tensor(sorted(set(range(32)) - set(row.tolist()))) for row in kept])
    plan, parts = PrunePlan(32, kept, dropped), hugging_face_in_parts(layer)
    shuffled = torch.stack([torch.randperm(32) for _ in range(3)])
    side, grid = {
        "by name": lambda: (parts.side(x, position_mask=shuffled), shuffled),
        "by place": lambda: (parts.side(x, shuffled), shuffled),
        "first of the grid": lambda: (parts.side(x), torch.arange(32).expand(3, -1)),
    }[places]()
    with torch.no_grad():
        merged = _run(parts, plan.take(x), take_side(side, plan))
        expected = layer(plan.take(x), grid.gather(1, kept))[0]
        astray = layer(plan.take(x), None)[0]
    torch.testing.assert_close(merged, expected, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(merged, astray, atol=1e-3)


def test_masked_attention_is_refused() -> None:
    parts = hugging_face_in_parts(_clip()[0])
    x, mask = torch.zeros(1, 4, 48), torch.ones(1, 1, 4, 4)
    for arguments, named in [((mask,), {}), ((), {"attention_mask": mask})]:
        with pytest.raises(ValueError, match="takes no attention mask"):
            parts.side(x, *arguments, **named)
    assert parts.side(x, None, output_attentions=False) == ()


def test_a_layer_with_a_forward_of_its_own_is_not_taken_for_the_librarys() -> None:
    known = _videomae()[0]

    class Renamed(type(known)):
        pass

    class Doubling(type(known)):
        def forward(self, hidden_states: Tensor, **options: object) -> Tensor:
            return 2 * super().forward(hidden_states, **options)

    class VideoMAELayer(nn.Linear):
        pass

    config = VideoMAEConfig(**OF_VIT)
    assert hugging_face_in_parts(Renamed(config)) is not None
    assert hugging_face_in_parts(Doubling(config)) is None
    assert hugging_face_in_parts(VideoMAELayer(3, 3)) is None
