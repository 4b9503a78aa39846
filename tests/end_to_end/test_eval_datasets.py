"""``eval.py`` on retrieval data beside MSVD and MSR-VTT: official layouts in, counts of videos and texts out."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import command
from tests.helpers.datasets import put_json
from tests.helpers.tiny_run import tiny_options, write_checkpoint, write_msvd, write_vocabulary

pytestmark = pytest.mark.slow
NUM_VIDEOS = 6
SENTENCES = ("a red shape moves", "a blue shape moves left", "a white shape", "moves slowly right", "green", "a shape")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos, a vocabulary, a checkpoint."""
    folder = tmp_path_factory.mktemp("eval")
    write_msvd(folder / "msvd", NUM_VIDEOS, captions=1)
    write_vocabulary(folder / "vocab.txt")
    write_checkpoint(folder / "umt.pth")
    return folder


def put_videos(workshop: Path, folder: Path, names: list[str]) -> None:
    for source, name in zip(sorted((workshop / "msvd" / "YouTubeClips").iterdir()), names, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)


def write_activitynet(workshop: Path, root: Path) -> None:
    names = [f"v_-b3_x9QkLm{number}" for number in range(NUM_VIDEOS)]
    put_videos(workshop, root / "videos", [f"{name}.mp4" for name in names])
    fields = {"duration": 1.0, "timestamps": [[0, 1], [0, 1]]}
    put_json(
        root / "val_1.json", {name: fields | {"sentences": [text, " up."]} for name, text in zip(names, SENTENCES)}
    )


def write_didemo(workshop: Path, root: Path) -> None:
    put_videos(workshop, root / "videos", [f"1@N01_{number}.mov.mp4" for number in range(NUM_VIDEOS)])
    # two descriptions of each video, one of them under another suffix, those of a video not side by side
    records = [
        {"annotation_id": 0, "video": f"1@N01_{number}.{suffix}", "description": text, "times": [[0, 0]]}
        for suffix in ("mov", "mp4")
        for number, text in enumerate(SENTENCES)
    ]
    put_json(root / "test_data.json", records)


def write_lsmdc(workshop: Path, root: Path) -> None:
    clips = [f"0099_Some_Film_00.01.0{number}.000-00.01.0{number}.900" for number in range(NUM_VIDEOS)]
    put_videos(workshop, root / "videos", [f"0099_Some_Film/{clip}.avi" for clip in clips])
    rows = [f"{clip}\t00.01\t00.02\t00.01\t00.02\t{text}\n" for clip, text in zip(clips, SENTENCES)]
    (root / "LSMDC16_challenge_1000_publictect.csv").write_text("".join(rows))


def write_ssv2_label(workshop: Path, root: Path) -> None:
    put_videos(workshop, root / "20bn-something-something-v2", [f"{number}.mp4" for number in range(NUM_VIDEOS)])
    records = [{"video": [f"{number}.webm"], "caption": text} for number, text in enumerate(SENTENCES)]
    put_json(root / "ssv2_ret_label_val_small.json", records)


def write_ssv2_template(workshop: Path, root: Path) -> None:
    names = [f"{number}.mp4" for number in range(NUM_VIDEOS)]
    put_videos(workshop, root / "20bn-something-something-v2", names)
    records = [{"video": videos, "caption": text} for videos, text in zip((names[:3], names[3:]), SENTENCES)]
    put_json(root / "ssv2_ret_template_val_small.json", records)


def evaluate(workshop: Path, root: Path, dataset: str, output: Path, *more: str) -> dict:
    """Run the command in this process; returns the methods of ``results.json``."""
    options = ["--config=umt_b_msvd.yaml", f"--data=datamodules.{dataset}"]
    options += tiny_options(root, workshop / "vocab.txt")
    options += [f"--model.checkpoint={workshop / 'umt.pth'}", "--trainer.precision=32-true", "--methods=base,vidtldr"]
    return command.evaluate(options, output, *more)["methods"]


@pytest.mark.parametrize(
    ("dataset", "write", "num_texts"),
    [
        ("ActivityNet", write_activitynet, 6),
        ("DiDeMo", write_didemo, 6),
        ("LSMDC", write_lsmdc, 6),
        ("SSv2Label", write_ssv2_label, 6),
        ("SSv2Template", write_ssv2_template, 2),
    ],
)
def test_each_dataset_is_evaluated_from_its_official_files(
    workshop: Path, tmp_path: Path, dataset: str, write: Callable[[Path, Path], None], num_texts: int
):
    write(workshop, tmp_path / "data")
    methods = evaluate(workshop, tmp_path / "data", dataset, tmp_path / "out")
    assert list(methods) == ["base", "vidtldr"]
    for method in methods.values():
        assert method["metrics_over_videos"] == "6 of 6"
        assert method["counts"] == {"texts": num_texts}
        hits = method["metrics"]["t2v_r1"] * num_texts / 100
        assert hits == pytest.approx(round(hits), abs=1e-4)  # a share of the texts, however many videos each has
        assert method["metrics"]["v2t_r10"] == 100  # of fewer than ten texts


def test_a_template_is_found_by_any_of_its_videos(workshop, tmp_path):
    write_ssv2_template(workshop, tmp_path / "data")
    records = [{"video": [f"{number}.mp4" for number in range(NUM_VIDEOS)], "caption": "a shape"}]
    put_json(tmp_path / "data" / "ssv2_ret_template_val_small.json", records)
    for method in evaluate(workshop, tmp_path / "data", "SSv2Template", tmp_path / "out").values():
        assert method["counts"] == {"texts": 1}
        assert method["metrics"]["t2v_r1"] == method["metrics"]["v2t_r1"] == 100


def test_missing_and_broken_videos_of_a_partial_copy_are_counted(workshop, tmp_path):
    root = tmp_path / "data"
    write_activitynet(workshop, root)
    (root / "videos" / "v_-b3_x9QkLm1.mp4").unlink()
    (root / "videos" / "v_-b3_x9QkLm4.mp4").write_bytes(b"not a video\n" * 200)
    for method in evaluate(workshop, root, "ActivityNet", tmp_path / "out", "--data.missing=skip").values():
        assert method["metrics_over_videos"] == "4 of 6"
        assert method["counts"] == {"texts": 4}
        assert (method["missing"], method["broken"]) == (["v_-b3_x9QkLm1"], ["v_-b3_x9QkLm4"])
