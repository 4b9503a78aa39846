"""Folders, indexes and files as the libraries themselves write them, with random weights, give their own outputs."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.push_to_hf_hub import save_for_hf
from safetensors.torch import save_file
from torch import nn

from tests.helpers.vifi_clip import SIZE, tiny_model
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import find_checkpoint, read_state_dict
from vidtldr.models.videomae import VideoMAE, VideoMAESize, load_videomae
from vidtldr.models.vifi_clip import ViFiCLIP, load_vifi_clip

transformers = pytest.importorskip("transformers")
_CLASSES = {0: "diving", 1: "typing", 2: "running"}


@pytest.fixture(scope="module")
def hugging_face() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(
        image_size=32, num_frames=4, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        layer_norm_eps=1e-6, use_mean_pooling=True, id2label=_CLASSES, label2id={v: k for k, v in _CLASSES.items()},
    )  # fmt: skip
    model = transformers.VideoMAEForVideoClassification(config).eval()
    model.fc_norm.eps = 1e-6  # the port leaves it at 1e-5, whatever the config says
    return model


def _model(num_heads: int = 2) -> VideoMAE:
    size = VideoMAESize(width=32, depth=2, num_heads=num_heads)
    return VideoMAE(size, num_classes=3, num_frames=4, image_size=32).eval()


def _assert_its_logits(model: VideoMAE, theirs: nn.Module) -> None:
    clips = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        expected = theirs(pixel_values=clips.transpose(1, 2)).logits
        torch.testing.assert_close(model(clips), expected, atol=1e-5, rtol=0)


def test_a_folder_of_transformers_is_loaded_and_tells_its_classes_and_clips(
    hugging_face: nn.Module, tmp_path: Path
) -> None:
    hugging_face.save_pretrained(tmp_path)
    found = find_checkpoint(tmp_path)
    assert (found.class_names, found.num_frames, found.image_size) == (list(_CLASSES.values()), 4, 32)
    assert os.fspath(found) == str(tmp_path / "model.safetensors")
    assert found.sha256() == hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    model = _model()
    assert load_videomae(model, tmp_path) == []
    _assert_its_logits(model, hugging_face)
    torch.save(hugging_face.state_dict(), tmp_path / "pytorch_model.bin")  # as older versions write it
    (tmp_path / "model.safetensors").unlink()
    again = _model()
    load_videomae(again, str(tmp_path))
    _assert_its_logits(again, hugging_face)


def test_a_checkpoint_in_parts_gives_the_same_logits_and_one_hash(hugging_face: nn.Module, tmp_path: Path) -> None:
    hugging_face.save_pretrained(tmp_path, max_shard_size="40KB")
    parts = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(parts) > 2
    for name in (tmp_path, tmp_path / "model.safetensors.index.json"):
        model = _model()
        load_videomae(model, name)
        _assert_its_logits(model, hugging_face)
        found = find_checkpoint(name)
        assert found.class_names == list(_CLASSES.values())
        lines = "".join(f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}\n" for part in parts)
        assert found.sha256() == hashlib.sha256(lines.encode()).hexdigest()
    with pytest.raises(UserError, match=r"lies in \d+ files, where one is needed"):
        os.fspath(found)
    parts[1].unlink()
    with pytest.raises(UserError, match=rf"names {len(parts)} parts, of which 1 are not beside it \({parts[1].name}\)"):
        find_checkpoint(tmp_path)


def test_an_index_that_is_none_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for content, message in (
        ({"weight_map": {"a": "../a.safetensors"}}, r"names a part outside its own folder \(../a.safetensors\)"),
        ({"weight_map": {"a": "/etc/a.safetensors"}}, "names a part outside its own folder"),
        ({"weight_map": {}}, "is no index of weights: it has no weight_map"),
        ([], "holds a list instead of a JSON object"),
    ):
        index.write_text(json.dumps(content))
        with pytest.raises(UserError, match=message):
            find_checkpoint(index)
    index.write_text("{")
    with pytest.raises(UserError, match="cannot be read as JSON"):
        find_checkpoint(tmp_path)


def test_entries_in_two_parts_are_refused(tmp_path: Path) -> None:
    for name in ("1.safetensors", "2.safetensors"):
        save_file({"a": torch.zeros(1)}, tmp_path / name)
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"holds entries in two of its files \(a\)"):
        read_state_dict(tmp_path)


def test_a_clip_of_transformers_gives_its_own_logits_from_its_folder(tmp_path: Path) -> None:
    common = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 4}
    vision = {"num_attention_heads": 4, "image_size": 64, "patch_size": 16}
    text = {"num_attention_heads": 2, "vocab_size": 300, "max_position_embeddings": 16, "eos_token_id": 299}
    config = transformers.CLIPConfig(text_config=common | text, vision_config=common | vision, projection_dim=32)
    torch.manual_seed(0)
    clip = transformers.CLIPModel(config).eval()
    clip.save_pretrained(tmp_path)
    model = tiny_model()
    assert load_vifi_clip(model, tmp_path) == []
    frames, tokens = torch.randn(3, 3, 64, 64), torch.tensor([[298, *range(1, 6), 299, *[0] * 9]])
    with torch.no_grad():
        expected = clip(input_ids=tokens, pixel_values=frames).logits_per_image
        actual = model.logits(model.encode_video(frames.unsqueeze(1)), model.encode_text(tokens))
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)
    config.vision_config.hidden_act = "gelu"
    clip.config = config
    clip.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"was trained with exact GELU: set --model.size '\{quick_gelu: false\}'"):
        load_vifi_clip(model, tmp_path)


class _Tokenizer:
    """What open_clip saves beside the weights, which does not matter here."""

    def save_pretrained(self, folder: Path) -> None:
        pass


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_a_folder_of_open_clip_gives_its_own_features(quick_gelu: bool, tmp_path: Path) -> None:
    config = {
        "embed_dim": 32,
        "quick_gelu": quick_gelu,
        "vision_cfg": {"image_size": 64, "layers": 4, "width": 64, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 300, "width": 64, "heads": 2, "layers": 4},
    }
    torch.manual_seed(0)
    clip = open_clip.model.CLIP(**config).eval()
    open_clip.model.set_model_preprocess_cfg(clip, {"mean": [0.5] * 3, "std": [0.5] * 3})
    save_for_hf(clip, _Tokenizer(), config, str(tmp_path))
    names = {path.name for path in tmp_path.iterdir()}
    assert {"open_clip_model.safetensors", "open_clip_pytorch_model.bin", "open_clip_config.json"} <= names
    other = ViFiCLIP(replace(SIZE, quick_gelu=not quick_gelu), image_size=64)
    with pytest.raises(UserError, match=rf"set --model.size '\{{quick_gelu: {str(quick_gelu).lower()}\}}'"):
        load_vifi_clip(other, tmp_path)
    model = ViFiCLIP(replace(SIZE, quick_gelu=quick_gelu), image_size=64).eval()
    load_vifi_clip(model, tmp_path)
    frames, tokens = torch.randn(3, 3, 64, 64), torch.tensor([[298, *range(1, 6), 299, *[0] * 9]])
    with torch.no_grad():
        torch.testing.assert_close(model.encode_video(frames.unsqueeze(1)), clip.encode_image(frames, normalize=True))
        torch.testing.assert_close(model.encode_text(tokens), clip.encode_text(tokens, normalize=True))


def test_another_number_of_heads_which_no_shape_tells_is_refused(hugging_face: nn.Module, tmp_path: Path) -> None:
    hugging_face.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"has 2 attention heads, the model 4: set --model.size"):
        load_videomae(_model(num_heads=4), tmp_path)


def test_a_folder_names_its_files_where_none_is_usual(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder without weights \(no open_clip_model.safetensors, model"):
        find_checkpoint(tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "epoch1.safetensors")
    (tmp_path / "config.json").write_text("of something else {")
    assert find_checkpoint(tmp_path).files == (tmp_path / "epoch1.safetensors",)
    torch.save({}, tmp_path / "epoch2.pth")
    with pytest.raises(UserError, match=r"a folder with 2 weight files: name one of them \(epoch1.safetensors, epoch2"):
        find_checkpoint(tmp_path)


@pytest.mark.parametrize("labels", [None, {}, {"0": "LABEL_0", "1": "LABEL_1"}, {"1": "a", "2": "b"}, {"x": "a"}, [1]])
def test_labels_that_say_nothing_are_no_class_names(labels: object, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"id2label": labels, "num_frames": "many", "image_size": -3}))
    found = find_checkpoint(tmp_path)
    assert (found.class_names, found.num_frames, found.image_size) == (None, None, None)


def test_what_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"checkpoint '.*none.pth' does not exist"):
        find_checkpoint(tmp_path / "none.pth")


def test_a_config_with_odd_numbers_tells_nothing(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    for number in ("1e999", "-1e999", "NaN", "-3", "[16]", "null", '"many"'):
        (tmp_path / "config.json").write_text(f'{{"num_frames": {number}, "image_size": {number}}}')
        found = find_checkpoint(tmp_path)
        assert (found.num_frames, found.image_size) == (None, None)
