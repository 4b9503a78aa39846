"""``eval.py`` on Kinetics-400 and HMDB51: official layouts in, accuracy over the views of what is there out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.command import evaluate, refused
from tests.helpers.tiny_classes import (
    CLASSES,
    IMAGE_SIZE,
    NUM_FRAMES,
    VIDEOMAE_SIZE,
    write_ucf101,
    write_videomae_checkpoint,
)

pytestmark = pytest.mark.slow
NAMES = ("brush_hair", "clap", "fall_floor")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine videos of three classes, and a checkpoint."""
    folder = tmp_path_factory.mktemp("kinetics")
    write_ucf101(folder / "ucf101")
    write_videomae_checkpoint(folder / "checkpoint-99.pth")
    return folder


def _put(workshop: Path, folder: Path, name: Callable[[int], str]) -> list[tuple[str, str]]:
    """Copy the videos into class folders; returns the class and the stem of each."""
    put = []
    for own, source in zip(NAMES, CLASSES, strict=True):
        (folder / own).mkdir(parents=True)
        for path in sorted((workshop / "ucf101" / "UCF-101" / source).iterdir()):
            put.append((own, name(len(put))))
            shutil.copy(path, folder / own / f"{put[-1][1]}.mp4")
    return put


def write_kinetics(workshop: Path, root: Path) -> Path:
    videos = _put(workshop, root / "val", lambda number: f"-b3_x9QkLm{number}_000009_000019")
    rows = [f"{label},{stem[:11]},9,19,validate,0\n" for label, stem in videos]
    (root / "annotations").mkdir()
    (root / "annotations" / "validate.csv").write_text(
        "label,youtube_id,time_start,time_end,split,is_cc\n" + "".join(rows)
    )
    (root / "annotations" / "kinetics_label_map_k400.txt").write_text("\n".join(NAMES).replace("_", " "))
    return root


def write_hmdb51(workshop: Path, root: Path) -> Path:
    videos = _put(workshop, root / "hmdb51_org", lambda number: f"#{number} (a)_u_nm_np1_ba_goo_0")
    (root / "testTrainMulti_7030_splits").mkdir()
    for name in NAMES:
        lines = [f"{stem}.avi 2 \n" for label, stem in videos if label == name]
        (root / "testTrainMulti_7030_splits" / f"{name}_test_split1.txt").write_text("".join(lines))
    return root


def options(workshop: Path, root: Path, config: str) -> list[str]:
    return [
        f"--config={config}",
        f"--data.root={root}",
        f"--model.checkpoint={workshop / 'checkpoint-99.pth'}",
        f"--model.size={json.dumps(VIDEOMAE_SIZE)}",
        "--model.num_classes=3",
        f"--model.num_frames={NUM_FRAMES}",
        f"--model.image_size={IMAGE_SIZE}",
        "--data.num_workers=0",
        "--data.batch_size=16",
        "--trainer.accelerator=cpu",
        "--trainer.precision=32-true",
        "--methods.tome.r=1",
        "--methods.vidtldr.r=[2,1]",
    ]


@pytest.mark.parametrize(
    ("config", "write"),
    [("videomae_b_kinetics400.yaml", write_kinetics), ("videomae_b_hmdb51.yaml", write_hmdb51)],
)
def test_the_accuracy_is_that_of_the_same_videos_as_ucf101(workshop, tmp_path, config, write):
    same = options(workshop, workshop / "ucf101", "videomae_b_ucf101.yaml")
    expected = evaluate(same, tmp_path / "ucf101")["methods"]
    found = evaluate(options(workshop, write(workshop, tmp_path / "data"), config), tmp_path / "out")
    assert list(found["methods"]) == ["base", "tome", "vidtldr"]
    for name, method in found["methods"].items():
        assert method["metrics"] == expected[name]["metrics"]
        assert method["metrics_over_videos"] == "9 of 9"
        assert method["counts"] == {"views": 15}


def test_missing_and_broken_videos_of_kinetics_are_named_and_counted(workshop, tmp_path, capsys):
    root = write_kinetics(workshop, tmp_path / "data")
    (root / "val" / "clap" / "-b3_x9QkLm4_000009_000019.mp4").unlink()
    (root / "val" / "clap" / "-b3_x9QkLm5_000009_000019.mp4").write_bytes(b"not a video" * 200)
    command = options(workshop, root, "videomae_b_kinetics400.yaml")
    sentence = refused(command, capsys)
    assert "1 of 9 videos have no file" in sentence
    assert "clap/-b3_x9QkLm4_000009_000019" in sentence
    for method in evaluate([*command, "--data.missing=skip"], tmp_path / "out", "--methods=base")["methods"].values():
        assert method["metrics_over_videos"] == "7 of 9"
        assert method["missing"] == ["clap/-b3_x9QkLm4_000009_000019"]
        assert method["broken"] == ["clap/-b3_x9QkLm5_000009_000019"]
