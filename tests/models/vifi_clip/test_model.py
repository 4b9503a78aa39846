"""ViFi-CLIP, unmerged and merged, against every stored number of the official one and against open_clip."""

import open_clip
import pytest
import torch
from torch import Tensor

from tests.helpers.reference import load, tensor
from tests.helpers.vifi_clip import SIZE, openai_entries, tiny_model
from vidtldr.merging import Base, LayerRecord, Method, ToMe, VidTLDR, merging
from vidtldr.models.checkpoint import load_exactly
from vidtldr.models.vifi_clip import VIFI_CLIP_SIZES, ViFiCLIP, ViFiCLIPSize, load_vifi_clip, vifi_clip_size
from vidtldr.models.vifi_clip.checkpoint import convert_vifi_clip

_TINY = load("vifi_clip")
_CASES = [("base", Base()), ("tome", ToMe(2)), ("vidtldr", VidTLDR([4, 2, 0, 0]))]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ViFiCLIP:
    path = tmp_path_factory.mktemp("clip") / "clip.pth"
    torch.save(openai_entries(), path)
    model = tiny_model()
    load_vifi_clip(model, path)
    return model


def _close(actual: Tensor, key: str, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(actual, tensor(_TINY, key), atol=tolerance, rtol=0, msg=lambda text: f"{key}: {text}")


@pytest.mark.parametrize(("case", "method"), _CASES)
def test_features_and_logits_equal_the_official_ones(case: str, method: Method, model: ViFiCLIP) -> None:
    with torch.no_grad(), merging(model.vision_encoder, method):
        frames = model.encode_frames(tensor(_TINY, "video"))
        video = model.encode_video(tensor(_TINY, "video"))
        text = model.encode_text(tensor(_TINY, "tokens"))
    _close(frames, f"{case}/frame_features")
    _close(frames.mean(dim=1), f"{case}/video_mean")
    _close(video, f"{case}/video_features")
    _close(model.logits(video, text).detach(), f"{case}/logits")


def test_text_features_equal_the_official_ones(model: ViFiCLIP) -> None:
    with torch.no_grad():
        _close(model.text_encoder(tensor(_TINY, "tokens")), "base/text_raw")
        _close(model.encode_text(tensor(_TINY, "tokens")), "base/text_features")


@pytest.mark.parametrize(("case", "method"), _CASES[1:])
def test_decisions_masses_and_saliency_equal_the_official_ones_in_every_layer(
    case: str, method: Method, model: ViFiCLIP
) -> None:
    records: list[LayerRecord] = []
    with torch.no_grad(), merging(model.vision_encoder, method, observer=records.append):
        model.encode_video(tensor(_TINY, "video"))
    assert [record.tokens.shape[1] for record in records] == _TINY[f"{case}/tokens_after_layer"].tolist()
    for record in records:
        assert record.mass is not None
        _close(record.mass, f"{case}/size_{record.layer}")
        stored = f"{case}/saliency_{record.layer}"
        assert (stored in _TINY) == (record.source_weight is not None)
        if record.source_weight is not None:
            _close(record.source_weight[:, 1:], stored)  # the class token has none


def _small_open_clip() -> open_clip.CLIP:
    torch.manual_seed(0)
    vision = {"image_size": 48, "layers": 3, "width": 64, "head_width": 32, "patch_size": 16}
    text = {"context_length": 9, "vocab_size": 50, "width": 48, "heads": 3, "layers": 2}
    return open_clip.model.CLIP(24, vision, text, quick_gelu=True).eval()


def _logits_of_open_clip(clip: open_clip.CLIP, video: Tensor, tokens: Tensor) -> Tensor:
    frames = clip.encode_image(video.flatten(0, 1)).unflatten(0, video.shape[:2])
    feature, text = frames.mean(dim=1), clip.encode_text(tokens)
    cosine = (feature / feature.norm(dim=-1, keepdim=True)) @ (text / text.norm(dim=-1, keepdim=True)).t()
    return clip.logit_scale.exp() * cosine


def _assert_same_logits(clip: open_clip.CLIP, model: ViFiCLIP, size: ViFiCLIPSize, clips: int) -> None:
    converted, unused = convert_vifi_clip(clip.state_dict(), "open_clip")
    load_exactly(model, converted, "open_clip")
    assert unused == []
    video = torch.randn(clips, 2, *model.vision_encoder.input_shape)
    tokens = torch.zeros(4, size.context_length, dtype=torch.int64)
    tokens[:, :5] = torch.randint(1, size.vocab_size - 1, (4, 5))
    tokens[torch.arange(4), torch.tensor([2, 4, 5, 3])] = size.vocab_size - 1  # the end
    with torch.no_grad():
        expected = _logits_of_open_clip(clip, video, tokens)
        actual = model.logits(model.encode_video(video), model.encode_text(tokens))
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def test_logits_equal_those_of_a_small_open_clip_with_the_same_weights() -> None:
    size = vifi_clip_size(
        "vifi_clip_b16",
        {"width": 64, "depth": 3, "num_heads": 2, "joint_dim": 24}
        | {"text_width": 48, "text_layers": 2, "text_heads": 3, "context_length": 9, "vocab_size": 50},
    )
    _assert_same_logits(_small_open_clip(), ViFiCLIP(size, image_size=48).eval(), size, clips=3)


@pytest.mark.slow
def test_logits_equal_those_of_open_clip_at_the_published_size() -> None:
    clip = open_clip.create_model("ViT-B-16", pretrained=None, force_quick_gelu=True).eval()
    size = vifi_clip_size("vifi_clip_b16")
    with torch.device("meta"):  # drawing weights that are replaced would take longer than the test
        model = ViFiCLIP(size).eval()
    model.to_empty(device="cpu")
    model.text_encoder.attn_mask = model.text_encoder.build_causal_mask()
    _assert_same_logits(clip, model, size, clips=1)


def test_what_follows_the_end_of_a_text_makes_no_difference(model: ViFiCLIP) -> None:
    tokens = torch.zeros(2, 16, dtype=torch.int64)
    tokens[:, :4] = torch.tensor([298, 5, 6, 299])
    tokens[1, 4:] = 7
    with torch.no_grad():
        first, second = model.encode_text(tokens)
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


def test_a_batch_equals_its_clips_and_frames_one_by_one(model: ViFiCLIP) -> None:
    clips = tensor(_TINY, "video")
    with torch.no_grad():
        together = model.encode_video(clips)
        alone = torch.cat([model.encode_video(clip[None]) for clip in clips])
        single = model.encode_frames(clips[1:, 2:3])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    torch.testing.assert_close(single[0, 0], tensor(_TINY, "base/frame_features")[1, 2], atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_float32_features_near_the_exact_ones(dtype: torch.dtype, model: ViFiCLIP) -> None:
    exact = tensor(_TINY, "vidtldr/video_features")
    half = tiny_model()
    half.load_state_dict(model.state_dict())
    half.to(dtype)
    with torch.no_grad(), merging(half.vision_encoder, VidTLDR([4, 2, 0, 0])):
        video = half.encode_video(tensor(_TINY, "video").to(dtype))
        text = half.encode_text(tensor(_TINY, "tokens"))
    assert video.dtype == text.dtype == half.logits(video, text).dtype == torch.float32
    assert (video - exact).abs().max() < 0.05


def test_logits_are_exact_in_autocast(model: ViFiCLIP) -> None:
    video, text = tensor(_TINY, "base/video_features"), tensor(_TINY, "base/text_features")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = model.logits(video, text)
        assert model.encode_video(tensor(_TINY, "video")).dtype == torch.float32
        assert model.encode_text(tensor(_TINY, "tokens")).dtype == torch.float32
    _close(logits, "base/logits")


def test_inputs_of_another_size_are_refused_by_name(model: ViFiCLIP) -> None:
    with pytest.raises(ValueError, match=r"frames of shape \(3, 32, 32\) given, the model takes \(3, 64, 64\)"):
        model.encode_video(torch.zeros(1, 2, 3, 32, 32))
    with pytest.raises(ValueError, match="texts of 77 positions given, the model takes 16"):
        model.encode_text(torch.zeros(1, 77, dtype=torch.int64))
    with pytest.raises(ValueError, match="images of 60 px do not divide into patches of 16 px"):
        ViFiCLIP(SIZE, image_size=60)


@pytest.mark.parametrize(("name", "positions"), [("vifi_clip_b16", 197), ("vifi_clip_b32", 50)])
def test_the_published_sizes_have_the_published_entries(name: str, positions: int) -> None:
    with torch.device("meta"):
        model = ViFiCLIP(VIFI_CLIP_SIZES[name])
    # 302 in an official file: with the embedded prompts, which are not used, and without the table of token embeddings.
    assert len(model.state_dict()) == 302
    assert tuple(model.state_dict()["vision_encoder.pos_embed"].shape) == (1, positions, 768)


def test_an_unknown_size_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'vifi_clip_l14': choose from vifi_clip_b16, vifi_clip_b32"):
        vifi_clip_size("vifi_clip_l14")
    with pytest.raises(ValueError, match="vifi_clip_b16 has no size 'heads': it has width, depth"):
        vifi_clip_size("vifi_clip_b16", {"heads": 3})
