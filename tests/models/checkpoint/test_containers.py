"""Wrappings that trainings put around weights: each gives the logits of the plain file, bit for bit."""

import argparse
import logging
from pathlib import Path

import pytest
import torch
from timm.utils import CheckpointSaver, ModelEmaV3
from torch import Tensor, nn

from tests.helpers import tiny_classes, tiny_run
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import find_checkpoint, read_state_dict
from vidtldr.models.checkpoint.containers import strip_prefixes
from vidtldr.models.umt import UMT, load_umt, umt_size
from vidtldr.models.videomae import VideoMAE, VideoMAESize, load_videomae
from vidtldr.models.vifi_clip import ViFiCLIP, load_vifi_clip, vifi_clip_size

_CONTAINERS = ("model", "module", "state_dict", "model_state_dict", "net", "weights", "params")
_AVERAGED = ("ema", "model_ema", "state_dict_ema", "ema_state_dict", "params_ema")
_PREFIXES = (
    "module.", "_orig_mod.", "model.", "model._orig_mod.", "module.model.", "model.module.", "_orig_mod.module.",
    "module._orig_mod.model.", "_fsdp_wrapped_module.module.",
)  # fmt: skip


def _model(seed: int = 0) -> VideoMAE:
    torch.manual_seed(seed)
    return VideoMAE(VideoMAESize(width=16, depth=2, num_heads=2), num_classes=3, num_frames=4, image_size=32).eval()


@pytest.fixture(scope="module")
def plain() -> VideoMAE:
    return _model(seed=1)


def _assert_same_logits(plain: VideoMAE, content: object, path: Path, weights: str = "plain") -> None:
    torch.save(content, path)
    loaded = _model()
    assert load_videomae(loaded, find_checkpoint(path, weights)) == []
    clips = torch.randn(1, 3, 4, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(clips), plain(clips))


def _prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize("prefix", _PREFIXES)
@pytest.mark.parametrize("container", [None, "state_dict"])
def test_prefixes_come_off_in_any_order(plain: VideoMAE, container: str | None, prefix: str, tmp_path: Path) -> None:
    state = _prefixed(plain.state_dict(), prefix)
    _assert_same_logits(plain, {container: state, "epoch": 3} if container else state, tmp_path / "a.pth")


@pytest.mark.parametrize("container", [*_CONTAINERS, *_AVERAGED])
def test_containers_are_opened_also_inside_each_other(plain: VideoMAE, container: str, tmp_path: Path) -> None:
    for content in (plain.state_dict(), {"state_dict": plain.state_dict()}):
        _assert_same_logits(plain, {"epoch": 7, container: content}, tmp_path / "a.pth")


def test_what_torch_itself_wraps_is_unwrapped(plain: VideoMAE, tmp_path: Path) -> None:
    task = nn.Module()
    task.model = torch.compile(nn.DataParallel(plain))  # compiles when it is called, which it is not
    task.word_head = nn.Linear(2, 2)
    state = task.state_dict()
    assert "model._orig_mod.module.head.weight" in state
    _assert_same_logits(plain, {"state_dict": state}, tmp_path / "a.ckpt")
    blocks = nn.Sequential(*(torch.compile(block) for block in plain.blocks))
    own = {key: value for key, value in plain.state_dict().items() if not key.startswith("blocks.")}
    _assert_same_logits(plain, own | _prefixed(blocks.state_dict(), "blocks."), tmp_path / "b.pth")


@pytest.mark.parametrize("prefix", ["module.", "model._orig_mod.", "module.model."])
def test_umt_and_clip_come_out_of_their_wrappings_as_they_were(prefix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    umt = UMT(umt_size("umt_b", tiny_run.SIZE), num_frames=tiny_run.NUM_FRAMES, image_size=tiny_run.IMAGE_SIZE)
    clip = ViFiCLIP(vifi_clip_size("vifi_clip_b16", tiny_classes.CLIP_SIZE), image_size=tiny_classes.IMAGE_SIZE)
    for model, load, name in (
        (umt, load_umt, tiny_run.write_checkpoint(tmp_path / "umt.pth")),
        (clip, load_vifi_clip, tiny_classes.write_clip_checkpoints(tmp_path)[0]),
    ):
        load(model, name)
        expected = {key: value.clone() for key, value in model.state_dict().items()}
        content = {"net": _prefixed(read_state_dict(name), prefix), "best": 0.5}
        torch.save(content, tmp_path / "wrapped.pth")
        for parameter in model.parameters():
            parameter.data.zero_()
        load(model, tmp_path / "wrapped.pth")
        assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_names_that_would_fall_together_stay_apart() -> None:
    state = {"a.weight": torch.zeros(1), "a._orig_mod.weight": torch.ones(1)}
    assert strip_prefixes(state).keys() == state.keys()


def test_a_checkpoint_of_timm_gives_plain_or_averaged_weights(
    plain: VideoMAE, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    averaged = ModelEmaV3(plain, decay=0.5)
    with torch.no_grad():
        for parameter in averaged.module.parameters():
            parameter.mul_(0.5)
    args = argparse.Namespace(model="videomae", lr=0.1)
    saver = CheckpointSaver(
        plain, torch.optim.SGD(plain.parameters(), lr=0.1), args, averaged, checkpoint_dir=str(tmp_path)
    )
    saver.save_checkpoint(epoch=1, metric=0.5)
    content = torch.load(tmp_path / "last.pth.tar", weights_only=False)
    with caplog.at_level(logging.WARNING):
        _assert_same_logits(plain, content, tmp_path / "a.pth")
    assert "holds two sets of weights: 'state_dict' is taken; --model.weights ema takes" in caplog.text
    caplog.clear()
    _assert_same_logits(averaged.module, content, tmp_path / "a.pth", weights="ema")
    assert not caplog.text


def test_averaged_weights_are_taken_where_there_are_no_others_and_refused_where_there_are_none(
    plain: VideoMAE, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _assert_same_logits(plain, {"model_ema": plain.state_dict()}, tmp_path / "a.pth")
    assert "a.pth holds averaged weights alone: 'model_ema' is taken" in caplog.text
    for content in (plain.state_dict(), {"model": plain.state_dict()}):
        torch.save(content, tmp_path / "b.pth")
        with pytest.raises(UserError, match=r"'.*b.pth' holds no averaged weights \(none of model_ema, ema"):
            find_checkpoint(tmp_path / "b.pth", "ema").read()


def test_weights_that_are_left_aside_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save({"net": {"a": torch.zeros(1)}, "model": {"b": torch.zeros(1)}, "params": {"lr": 1}}, tmp_path / "a.pth")
    assert read_state_dict(tmp_path / "a.pth").keys() == {"b"}
    assert [record.getMessage().partition("a.pth ")[2] for record in caplog.records] == [
        "holds 'net' beside 'model': it is not read"
    ]


@pytest.mark.parametrize("options", [{}, {"name": "vit_base", "depth": 12}])
def test_options_under_the_name_of_a_container_hide_no_weights(options: dict[str, object], tmp_path: Path) -> None:
    torch.save({"model": options, "ema": options, "state_dict": {"a": torch.zeros(1)}}, tmp_path / "a.pth")
    assert read_state_dict(tmp_path / "a.pth").keys() == {"a"}
    with pytest.raises(UserError, match="holds no averaged weights"):
        find_checkpoint(tmp_path / "a.pth", "ema").read()


def test_a_container_that_holds_itself_is_refused(tmp_path: Path) -> None:
    content: dict[str, object] = {}
    content["model"] = content
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"holds entries that are no tensors \(model\)"):
        read_state_dict(tmp_path / "a.pth")
