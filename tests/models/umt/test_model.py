"""The whole retrieval model against the official scores, and how checkpoints are accounted for."""

import argparse
import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.helpers.reference import UMT_TINY_SIZE, load, tensor, weights
from vidtldr.errors import UserError
from vidtldr.merging import Base, Method, VidTLDR, merging
from vidtldr.models.checkpoint import save_weights
from vidtldr.models.umt import UMT, UMT_SIZES, load_umt, umt_size

_TINY = load("umt_tiny_retrieval")


def _model() -> UMT:
    return UMT(UMT_TINY_SIZE, num_frames=4, image_size=64).eval()


def _official() -> dict[str, Tensor]:
    return dict(weights(_TINY))


def _loaded(path: Path, content: object) -> tuple[UMT, list[str]]:
    torch.save(content, path)
    model = _model()
    return model, load_umt(model, path)


@pytest.mark.parametrize(("case", "method"), [("base", Base()), ("tldr", VidTLDR([20, 10, 5, 0]))])
def test_features_similarity_and_matching_equal_the_official_ones(case: str, method: Method, tmp_path: Path) -> None:
    model, _ = _loaded(tmp_path / "umt.pth", _official())
    with torch.no_grad(), merging(model.vision_encoder, method):
        tokens, video = model.encode_video(tensor(_TINY, "videos"))
        hidden, text = model.encode_text(tensor(_TINY, "input_ids"), tensor(_TINY, "attention_mask"))
        mask = tensor(_TINY, "attention_mask")
        match = torch.stack([model.match_logits(hidden, mask, video_tokens=clip[None])[:, 1] for clip in tokens])
    torch.testing.assert_close(tokens, tensor(_TINY, f"{case}/vision_embeds"), atol=1e-4, rtol=0)
    torch.testing.assert_close(text @ video.t(), tensor(_TINY, f"{case}/sim_t2i"), atol=1e-5, rtol=0)
    torch.testing.assert_close(match, tensor(_TINY, f"{case}/vtm_i2t_full"), atol=5e-5, rtol=0)


@pytest.mark.parametrize("wrapper", [None, "model", "module", "state_dict"])
def test_a_training_file_loads_through_its_wrapper_with_its_options(wrapper: str | None, tmp_path: Path) -> None:
    class EasyDict(OrderedDict):
        """Stands for the official code's own class, which the project does not have."""

    EasyDict.__module__, EasyDict.__qualname__ = "utils.easydict", "EasyDict"
    content: object = _official()
    if wrapper:
        content = {wrapper: content, "epoch": 3, "config": argparse.Namespace(lr=1e-4)}
    model, unused = _loaded(tmp_path / "umt.pth", content)
    assert not unused
    assert torch.equal(model.itm_head.weight, tensor(_TINY, "w/itm_head.weight"))


def test_an_easydict_inside_the_file_is_read_without_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    package, module = types.ModuleType("utils"), types.ModuleType("utils.easydict")
    module.EasyDict = type("EasyDict", (OrderedDict,), {"__module__": "utils.easydict"})
    monkeypatch.setitem(sys.modules, "utils", package)
    monkeypatch.setitem(sys.modules, "utils.easydict", module)
    torch.save({"model": _official(), "config": module.EasyDict(lr=1e-4)}, tmp_path / "umt.pth")
    monkeypatch.delitem(sys.modules, "utils")
    monkeypatch.delitem(sys.modules, "utils.easydict")
    assert load_umt(_model(), tmp_path / "umt.pth") == []


def test_a_pretraining_file_fills_the_text_encoder_and_names_what_is_unused(tmp_path: Path) -> None:
    official = {
        key.replace("text_encoder.", "text_encoder.bert.", 1) if key.startswith("text_encoder.") else key: value
        for key, value in _official().items()
    }
    extra = {
        "text_encoder.cls.predictions.bias": torch.zeros(200),
        "vision_encoder.clip_decoder.0.head.weight": torch.zeros(512, 64),
        "clip_teacher.transformer.resblocks.0.ln_1.weight": torch.zeros(3),
    }
    model, unused = _loaded(tmp_path / "pretrained.pth", {"model": official | extra})
    assert sorted(unused) == sorted(extra)
    key = "embeddings.word_embeddings.weight"
    assert torch.equal(model.text_encoder.state_dict()[key], tensor(_TINY, f"w/text_encoder.{key}"))


def test_an_exported_safetensors_file_loads_again(tmp_path: Path) -> None:
    model, _ = _loaded(tmp_path / "umt.pth", _official())
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "umt.safetensors")
    again = _model()
    load_umt(again, tmp_path / "umt.safetensors")
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_every_entry_is_accounted_for(tmp_path: Path) -> None:
    lacking, added, reshaped = _official(), _official(), _official()
    del lacking["vision_proj.bias"]
    added["vision_encoder.encoder.blocks.4.norm1.weight"] = torch.zeros(64)
    reshaped["text_proj.bias"] = torch.zeros(33)
    for state, message in (
        (lacking, r"does not fit this model: 1 missing \(vision_proj.bias\)"),
        (added, r"1 unexpected \(vision_encoder.blocks.4.norm1.weight\)"),
        (reshaped, r"1 of another shape \(text_proj.bias \(33,\) instead of \(32,\)\)"),
        ({"vision_encoder.encoder.blocks.0.attn.q_bias": torch.zeros(64)}, "has .*q_bias but no .*v_bias"),
    ):
        with pytest.raises(UserError, match=message):
            _loaded(tmp_path / "bad.pth", state)


class _Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("executed"),))


def test_a_file_with_code_is_named_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("a.pth", {"model": _official(), "x": _Evil()}), ("b.pth", _Evil())):
        torch.save(content, name)
        with pytest.raises(UserError, match="neither a tensor nor known options; it was not loaded"):
            load_umt(_model(), name)
    Path("c.pth").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(UserError, match=r"checkpoint 'c.pth'"):
        load_umt(_model(), "c.pth")
    assert not Path("executed").exists()


def test_damaged_and_foreign_files_are_one_sentence(tmp_path: Path) -> None:
    torch.save(_official(), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    save_file({"a": torch.zeros(3)}, tmp_path / "whole.safetensors")
    files = {
        "cut.pth": whole[: len(whole) // 2],
        "empty.pth": b"",
        "text.pth": b"<html>not found</html>",
        "cut.safetensors": (tmp_path / "whole.safetensors").read_bytes()[:20],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=f"checkpoint '.*{name}'") as caught:
            load_umt(_model(), tmp_path / name)
        assert "\n" not in str(caught.value)
    for content, message in (
        ([1, 2], "holds a list instead of named tensors"),
        ({"epoch": 3}, r"entries that are no tensors \(epoch\)"),
        ({}, "no entries"),
    ):
        with pytest.raises(UserError, match=message):
            _loaded(tmp_path / "odd.pth", content)
    with pytest.raises(UserError, match=r"checkpoint '.*none.pth' does not exist"):
        load_umt(_model(), tmp_path / "none.pth")


@pytest.mark.parametrize(("name", "entries"), [("umt_b", 397), ("umt_l", 765)])
def test_the_published_sizes_have_the_published_entries(name: str, entries: int) -> None:
    with torch.device("meta"):
        model = UMT(UMT_SIZES[name])
    # Ours joins q_bias and v_bias of each block into one entry.
    assert len(model.state_dict()) == entries - UMT_SIZES[name].depth


def test_an_unknown_size_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'umt_xl': choose from umt_b, umt_l"):
        umt_size("umt_xl")
    with pytest.raises(ValueError, match="umt_b has no size 'layers': it has width, depth"):
        umt_size("umt_b", {"layers": 3})
    assert umt_size("umt_b", {"depth": 3}).depth == 3


def test_patches_of_one_frame_are_inflated_to_tubelets(tmp_path: Path) -> None:
    torch.manual_seed(0)
    single = UMT(UMT_TINY_SIZE, num_frames=4, image_size=64).eval()
    save_weights(single, tmp_path / "single.safetensors")
    double = UMT(replace(UMT_TINY_SIZE, tubelet_size=2), num_frames=8, image_size=64).eval()
    load_umt(double, tmp_path / "single.safetensors")
    clip = torch.randn(1, 4, 3, 64, 64)
    with torch.no_grad():
        for expected, found in zip(single.encode_video(clip), double.encode_video(clip.repeat_interleave(2, dim=1))):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
