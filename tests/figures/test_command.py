"""The whole command: samples of a config and videos without annotation, of joint and of single-frame models."""

import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.helpers.tiny_classes import (
    CLIP_SIZE,
    CLIP_WORDS,
    IMAGE_SIZE,
    NUM_FRAMES,
    VIDEOMAE_SIZE,
    write_base_to_novel,
    write_clip_checkpoints,
    write_ucf101,
    write_videomae_checkpoint,
)
from tests.helpers.tiny_run import tiny_options, write_checkpoint, write_msvd, write_vocabulary
from tests.helpers.video import encode_video, numbered_frames
from vidtldr.cli.entry import run

COMMAND = "vidtldr.figures.command"
OF_CLASSES = [
    "--data.num_workers=1",
    f"--model.num_frames={NUM_FRAMES}",
    f"--model.image_size={IMAGE_SIZE}",
    "--trainer.accelerator=cpu",
    "--methods.tome.r=1",
    "--methods.vidtldr.r=[1,1]",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    write_msvd(folder / "msvd")
    write_vocabulary(folder / "vocab.txt")
    write_checkpoint(folder / "umt.pth")
    encode_video(folder / "mine.mp4", numbered_frames(20, 48, 64))
    return folder


@pytest.fixture(scope="module")
def retrieval(folder: Path) -> list[str]:
    checkpoint = f"--model.checkpoint={folder / 'umt.pth'}"
    return ["--config", "umt_b_msvd.yaml", *tiny_options(folder / "msvd", folder / "vocab.txt"), checkpoint]


@pytest.fixture(scope="module")
def base_to_novel(folder: Path) -> list[str]:
    write_base_to_novel(folder / "halves")
    clip, (vifi,) = write_clip_checkpoints(folder)
    (folder / "clip_vocab.txt").write_text("\n".join(CLIP_WORDS) + "\n")
    return [
        "--config=vifi_clip_ucf101_base2novel.yaml",
        f"--data.root={folder / 'halves'}",
        f"--model.size={json.dumps(CLIP_SIZE)}",
        f"--model.checkpoint={vifi}",
        f"--model.token_embedding={clip}",
        f"--model.tokenizer={folder / 'clip_vocab.txt'}",
        *OF_CLASSES,
    ]


@pytest.fixture(scope="module")
def recognition(folder: Path) -> list[str]:
    write_ucf101(folder / "ucf101")
    return [
        "--config=videomae_b_ucf101.yaml",
        f"--data.root={folder / 'ucf101'}",
        f"--model.checkpoint={write_videomae_checkpoint(folder / 'checkpoint-99.pth')}",
        f"--model.size={json.dumps(VIDEOMAE_SIZE)}",
        "--model.num_classes=3",
        *OF_CLASSES,
    ]


def refused(argv: list[str], capsys: pytest.CaptureFixture) -> str:
    assert run(COMMAND, argv) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err.strip().splitlines()[-1]


@pytest.mark.slow
def test_samples_of_a_config_are_drawn(retrieval: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(COMMAND, [*retrieval, "--samples", "2", f"--out={tmp_path}"]) == 0
    assert "shares of frames: 7 of 7" in capsys.readouterr().err
    clips = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert clips == ["clip1_1_8", "clip4_1_8"]  # the middles of two halves of seven
    expected = {f"figure{n}.{kind}" for n in (2, 4, 6) for kind in ("png", "npz")} | {"figure6.mp4"}
    assert {path.name for path in (tmp_path / clips[0]).iterdir()} == expected
    with np.load(tmp_path / clips[0] / "figure2.npz") as arrays:
        assert arrays["frames"].shape == (4, 32, 32, 3)
        assert arrays["saliency"].shape == (4, 2, 2)
        assert arrays["attentiveness"].sum() == pytest.approx(1)
        assert arrays["rollout"].sum() == pytest.approx(1, abs=1e-5)
    with np.load(tmp_path / clips[0] / "figure4.npz") as arrays:
        assert all(arrays[name].sum() == pytest.approx(1) for name in ("sharpest", "flattest"))  # rows of a map
    with np.load(tmp_path / clips[0] / "figure6.npz") as arrays:
        assert len(np.unique(arrays["tome_owner"])) == 16 - 2 * 2  # after layer 2, the last of vid-TLDR's list
        assert len(np.unique(arrays["vidtldr_owner"])) == 16 - 5
        assert arrays["tome_mass"].tolist() == np.ones((4, 2, 2)).tolist()
    with av.open(str(tmp_path / clips[0] / "figure6.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 4
    assert Image.open(tmp_path / clips[0] / "figure6.png").mode == "P"
    shares = json.loads((tmp_path / "figure5.json").read_text())
    assert shares["num_clips"] == 7
    lines = [line for group in ("scores", "causes", "kept") for line in shares[group].values()]
    assert len(lines) == 3 + 3 + 2
    assert all(len(line) == 4 and sum(line) == pytest.approx(1) for line in lines)
    assert shares["causes"]["both"] == shares["scores"]["attentiveness"]
    for name in ("figure5", "figureA", "figure5_kept"):
        chart = (tmp_path / f"{name}.svg").read_text()
        assert chart.startswith("<svg")
        assert "share (%), mean of 7 clips" in chart


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "grid"), [("retrieval", (4, 2, 2)), ("recognition", (2, 2, 2)), ("base_to_novel", (4, 2, 2))]
)
def test_a_bare_video_is_drawn_by_every_backbone(
    config: str, grid: tuple[int, ...], folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    argv = [word for word in request.getfixturevalue(config) if not word.startswith("--data.root")]
    more = ["--video", str(folder / "mine.mp4"), "--query", "1,0,1", "--only", "vidtldr", f"--out={tmp_path}"]
    assert run(COMMAND, [*argv, "--data.root=nowhere", *more]) == 0  # the test set is not looked for
    with np.load(tmp_path / "mine" / "figure6.npz") as arrays:
        assert set(arrays.files) == {"frames", "vidtldr_owner", "vidtldr_share", "vidtldr_mass"}
        assert arrays["vidtldr_owner"].shape == grid
    with np.load(tmp_path / "mine" / "figure4.npz") as arrays:
        assert set(arrays.files) == {"frames", "query"}
    assert not (tmp_path / "figure5.json").exists()  # means of a set, which one's own videos are only if one says so
    assert run(COMMAND, [*argv, "--data.root=nowhere", *more, "--figures", "5"]) == 0
    shares = json.loads((tmp_path / "figure5.json").read_text())
    assert (shares["num_clips"], shares["frames_per_step"]) == (1, NUM_FRAMES // grid[0])
    assert "share (%), of 1 clip" in (tmp_path / "figure5.svg").read_text()


@pytest.mark.slow
def test_one_sample_by_its_name_in_both_halves_of_the_classes(base_to_novel: list[str], tmp_path: Path) -> None:
    sample = ["--sample", "v_Typing_g01_c01", "--sample", "v_HandstandPushups_g01_c02.avi", "--figures", "6"]
    assert run(COMMAND, [*base_to_novel, *sample, "--layer", "1", f"--out={tmp_path}"]) == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.npz")}
    assert written == {f"v_{name}/figure6.npz" for name in ("Typing_g01_c01", "HandstandPushups_g01_c02")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no config given: add --config NAME"),
        (["--config", "dmeo"], "did you mean demo.yaml?"),
    ],
)
def test_a_config_is_asked_for(options: list[str], said: str, capsys: pytest.CaptureFixture) -> None:
    assert said in refused(options, capsys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sample", "clip9_1_8"], "--sample clip9_1_8: no such video in the test set (did you mean clip"),
        (["--sample", "nope"], "--sample nope: no such video in the test set, whose names are such as clip"),
        (["--samples", "1", "--figures", "2", "--layer", "4"], "no layer 4: the model has 3"),
        (["--figures", "5", "--layer", "4"], "no layer 4: the model has 3"),
        (["--samples", "1", "--figures", "4", "--query", "4,0,0"], "no patch 4,0,0: a clip has 4 x 2 x 2"),
        (["--only", "tome,tomato"], "unknown method 'tomato'"),
        (["--videos", "mine.mp4"], "unknown option --videos"),
    ],
)
def test_a_mistake_is_one_sentence(
    options: list[str], said: str, retrieval: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert said in refused([*retrieval, *options, f"--out={tmp_path}"], capsys)
    assert not list(tmp_path.rglob("*.png"))


def test_videos_of_one_name_do_not_replace_each_other(retrieval: list[str], folder: Path, tmp_path: Path) -> None:
    other = encode_video(tmp_path / "other" / "mine.mp4", numbered_frames(20, 48, 64))
    videos = ["--video", str(folder / "mine.mp4"), str(other), "--figures", "6"]
    assert run(COMMAND, [*retrieval, *videos, f"--out={tmp_path / 'out'}"]) == 0
    assert len(list((tmp_path / "out").rglob("figure6.png"))) == 2


def test_what_is_no_video_is_named(retrieval: list[str], folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert "vocab.txt" in refused([*retrieval, "--video", str(folder / "vocab.txt")], capsys)
    assert "absent.mp4: cannot be read as a video" in refused([*retrieval, "--video", "absent.mp4"], capsys)


@pytest.mark.parametrize(
    ("option", "value"), [("--samples", "0"), ("--layer", "first"), ("--query", "1,2"), ("--figures", "3")]
)
def test_values_are_checked_before_anything_is_loaded(option: str, value: str, capsys: pytest.CaptureFixture) -> None:
    said = refused(["--config", "demo", option, value], capsys)
    assert re.fullmatch(rf"error: {option}: must be .*, not '{value}'", said)
