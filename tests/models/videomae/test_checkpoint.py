"""Files of the official code, of Hugging Face and of this project, and how their entries are accounted for."""

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.helpers.reference import load, tensor, weights
from vidtldr.errors import UserError
from vidtldr.models.videomae import VideoMAE, VideoMAESize, load_videomae

_TINY = load("videomae")
_DECODER = {
    "mask_token": torch.zeros(1, 1, 32),
    "encoder_to_decoder.weight": torch.zeros(32, 64),
    "decoder.blocks.0.attn.q_bias": torch.zeros(32),
    "decoder.head.weight": torch.zeros(1536, 32),
}


def _model(num_classes: int = 7) -> VideoMAE:
    size = VideoMAESize(width=64, depth=4, num_heads=4)
    return VideoMAE(size, num_classes=num_classes, num_frames=8, image_size=64).eval()


def _official() -> dict[str, Tensor]:
    return dict(weights(_TINY))


def _pretraining() -> dict[str, Tensor]:
    """The layout of ``modeling_pretrain.py``: a last norm, no ``fc_norm``, no head, a decoder."""
    encoder = {f"encoder.{k}": v for k, v in _official().items() if not k.startswith(("fc_norm.", "head."))}
    norm = {"encoder.norm.weight": torch.zeros(64), "encoder.norm.bias": torch.zeros(64)}
    return encoder | norm | _DECODER


def _loaded(path: Path, content: object, *, num_classes: int = 7, new_head: bool = False) -> tuple[VideoMAE, list[str]]:
    torch.save(content, path)
    model = _model(num_classes)
    return model, load_videomae(model, path, new_head=new_head)


def _assert_official_logits(model: nn.Module, tolerance: float = 1e-4) -> None:
    with torch.no_grad():
        logits = model(tensor(_TINY, "input"))
    torch.testing.assert_close(logits, tensor(_TINY, "base/logits"), atol=tolerance, rtol=0)


@pytest.mark.parametrize("wrapper", [None, "model", "module"])
@pytest.mark.parametrize("prefix", ["", "backbone.", "encoder."])
def test_an_official_file_loads_through_wrapper_prefix_and_options(
    wrapper: str | None, prefix: str, tmp_path: Path
) -> None:
    content: object = {prefix + key: value for key, value in _official().items()}
    if wrapper:
        content = {wrapper: content, "epoch": 99, "args": argparse.Namespace(lr=1e-3, fc_drop_rate=0.5), "scaler": {}}
    model, unused = _loaded(tmp_path / "checkpoint-99.pth", content)
    assert not unused
    _assert_official_logits(model)


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    content = {"module": {key: value.half() for key, value in _official().items()}}
    model, _ = _loaded(tmp_path / "mp_rank_00_model_states.pt", content)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert torch.equal(model.head.weight, tensor(_TINY, "w/head.weight").half().float())
    _assert_official_logits(model, tolerance=0.02)


def test_keys_get_no_bias(tmp_path: Path) -> None:
    model, _ = _loaded(tmp_path / "videomae.pth", _official())
    query, key, value = model.blocks[2].attn.qkv.bias.chunk(3)
    assert torch.equal(query, tensor(_TINY, "w/blocks.2.attn.q_bias"))
    assert torch.equal(value, tensor(_TINY, "w/blocks.2.attn.v_bias"))
    assert not key.any()


def test_exported_and_lightning_files_load_again(tmp_path: Path) -> None:
    model, _ = _loaded(tmp_path / "videomae.pth", _official())
    save_file(model.state_dict(), tmp_path / "exported.safetensors")
    lightning = {"state_dict": {f"model.{key}": value for key, value in model.state_dict().items()}, "epoch": 3}
    torch.save(lightning, tmp_path / "last.ckpt")
    for name in ("exported.safetensors", "last.ckpt"):
        again = _model()
        assert load_videomae(again, tmp_path / name) == []
        for key, value in model.state_dict().items():
            assert torch.equal(again.state_dict()[key], value), f"{name}: {key}"


@pytest.fixture(scope="module")
def hugging_face() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.VideoMAEConfig(
        image_size=64,
        num_frames=8,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        num_labels=7,
        layer_norm_eps=1e-6,
        use_mean_pooling=True,
    )
    model = transformers.VideoMAEForVideoClassification(config).eval()
    model.fc_norm.eps = 1e-6  # the port leaves it at 1e-5, whatever the config says
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases too, which would else be 1 and 0
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


@pytest.mark.parametrize("spelling", ["as saved", "q_bias", "query.bias"])
def test_a_hugging_face_file_gives_the_logits_of_its_own_model(
    hugging_face: nn.Module, spelling: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    if spelling == "as saved":
        hugging_face.save_pretrained(tmp_path)
    else:
        save_file(_spelled(hugging_face.state_dict(), spelling), path)
    model = _model()
    assert load_videomae(model, path) == []
    clips = tensor(_TINY, "input")
    with torch.no_grad():
        expected = hugging_face(pixel_values=clips.transpose(1, 2)).logits
        torch.testing.assert_close(model(clips), expected, atol=1e-4, rtol=0)


def _spelled(state: dict[str, Tensor], spelling: str) -> dict[str, Tensor]:
    ways = {"q_bias": ("q_bias", "v_bias"), "query.bias": ("query.bias", "value.bias")}
    for old, new in zip(ways["query.bias" if spelling == "q_bias" else "q_bias"], ways[spelling]):
        state = {key.replace(f"attention.attention.{old}", f"attention.attention.{new}"): v for key, v in state.items()}
    assert sum(key.endswith(ways[spelling]) for key in state) == 8
    return state


def test_a_hugging_face_pretraining_file_is_known_as_such(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.VideoMAEConfig(
        image_size=64,
        num_frames=8,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        use_mean_pooling=False,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
    )
    pretrained = transformers.VideoMAEForPreTraining(config)
    pretrained.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="comes from pre-training and has no head"):
        load_videomae(_model(), tmp_path / "model.safetensors")
    model = _model(num_classes=3)
    unused = load_videomae(model, tmp_path / "model.safetensors", new_head=True)
    assert all(
        key.startswith(("decoder.", "encoder_to_decoder.", "mask_token", "videomae.layernorm.")) for key in unused
    )
    assert {"mask_token", "encoder_to_decoder.weight", "videomae.layernorm.bias"} <= set(unused)
    attention = pretrained.videomae.encoder.layer[3].attention.attention
    stored = torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
    assert torch.equal(model.blocks[3].attn.qkv.weight, stored)


def test_a_pretraining_file_cannot_classify(tmp_path: Path) -> None:
    message = r"checkpoint '.*pretrain.pth' comes from pre-training and has no head, so it cannot classify"
    encoder_alone = {key: value for key, value in _pretraining().items() if key.startswith("encoder.")}
    for content in ({"model": _pretraining()}, encoder_alone):
        with pytest.raises(UserError, match=message) as caught:
            _loaded(tmp_path / "pretrain.pth", content)
        assert "\n" not in str(caught.value)


def test_fine_tuning_starts_from_a_pretraining_file_with_fresh_norm_and_head(tmp_path: Path) -> None:
    model, unused = _loaded(tmp_path / "pretrain.pth", {"model": _pretraining()}, num_classes=5, new_head=True)
    assert sorted(unused) == sorted([*_DECODER, "encoder.norm.weight", "encoder.norm.bias"])
    assert torch.equal(model.blocks[3].mlp.fc2.weight, tensor(_TINY, "w/blocks.3.mlp.fc2.weight"))
    assert torch.equal(model.fc_norm.weight, torch.ones(64))
    assert model.head.weight.shape == (5, 64)


@pytest.mark.parametrize("num_classes", [5, 7])
def test_fine_tuning_on_other_classes_keeps_the_fresh_head_and_names_the_one_left_out(
    num_classes: int, tmp_path: Path
) -> None:
    torch.save(_official(), tmp_path / "k400.pth")
    model = _model(num_classes)
    fresh = model.head.weight.clone()
    assert load_videomae(model, tmp_path / "k400.pth", new_head=True) == ["head.weight", "head.bias"]
    assert torch.equal(model.head.weight, fresh)
    assert torch.equal(model.fc_norm.weight, tensor(_TINY, "w/fc_norm.weight"))


def test_a_head_for_other_classes_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"checkpoint '.*k7.pth' tells 7 classes apart, the model 101; other classes"):
        _loaded(tmp_path / "k7.pth", _official(), num_classes=101)


def test_every_entry_is_accounted_for(tmp_path: Path) -> None:
    lacking, added, reshaped, half, part, normed = (_official() for _ in range(6))
    del lacking["fc_norm.bias"]
    added["blocks.4.norm1.weight"] = torch.zeros(64)
    reshaped["patch_embed.proj.weight"] = torch.zeros(64, 3, 1, 16, 16)
    del half["blocks.0.attn.v_bias"]
    part["videomae.encoder.layer.0.attention.attention.query.weight"] = torch.zeros(64, 64)
    del normed["fc_norm.weight"], normed["fc_norm.bias"]
    normed["norm.weight"] = torch.zeros(64)  # of a classifier that reads one token instead of the mean
    for state, message in (
        (lacking, r"does not fit this model: 1 missing \(fc_norm.bias\)"),
        (added, r"1 unexpected \(blocks.4.norm1.weight\)"),
        (reshaped, r"proj.weight \(64, 3, 1, 16, 16\) instead of \(64, 3, 2, 16, 16\)"),
        (half, "has blocks.0.attn.q_bias but no blocks.0.attn.v_bias"),
        (part, "has blocks.0.attn.query.weight but no blocks.0.attn.key.weight"),
        (normed, r"2 missing \(fc_norm.weight, fc_norm.bias\); 1 unexpected \(norm.weight\)"),
        ({"a": torch.zeros(3)}, r"does not fit this model: 54 missing .* 1 unexpected \(a\)"),
    ):
        with pytest.raises(UserError, match=message):
            _loaded(tmp_path / "bad.pth", state)
    with pytest.raises(UserError, match=r"50 missing \(patch_embed.proj.weight, .* 1 unexpected \(a\)"):
        _loaded(tmp_path / "foreign.pth", {"a": torch.zeros(3)}, new_head=True)


def test_a_last_norm_beside_the_norm_of_the_mean_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    norm = {"norm.weight": torch.zeros(64), "norm.bias": torch.zeros(64)}
    model, unused = _loaded(tmp_path / "both.pth", _official() | norm)
    assert unused == ["norm.weight", "norm.bias"]
    assert "both.pth has a norm.* beside its fc_norm.*: it is not used" in caplog.text
    _assert_official_logits(model)


@pytest.mark.parametrize("spelling", ["attn.k_bias", "attention.attention.key.bias", "attention.attention.k_bias"])
def test_a_stored_bias_of_the_keys_is_kept_exactly(spelling: str, tmp_path: Path) -> None:
    stored = torch.randn(64)
    model, _ = _loaded(tmp_path / "keys.pth", _official() | {f"blocks.1.{spelling}": stored})
    assert torch.equal(model.blocks[1].attn.qkv.bias.chunk(3)[1], stored)
    assert not model.blocks[0].attn.qkv.bias.chunk(3)[1].any()
    assert torch.equal(model.blocks[1].attn.qkv.bias.chunk(3)[2], tensor(_TINY, "w/blocks.1.attn.v_bias"))
