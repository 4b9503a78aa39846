"""``eval.py`` on action recognition and base-to-novel: official layouts and names, multi-view, seeds."""

import json
from pathlib import Path

import pytest
import torch

from tests.helpers.command import evaluate, refused
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
from vidtldr.models.videomae import VideoMAE, load_videomae, videomae_size

pytestmark = pytest.mark.slow
COMMON = [
    "--data.num_workers=1",
    f"--model.num_frames={NUM_FRAMES}",
    f"--model.image_size={IMAGE_SIZE}",
    "--trainer.accelerator=cpu",
    "--trainer.precision=32-true",
    "--methods.tome.r=1",
    "--methods.vidtldr.r=[2,1]",
]


@pytest.fixture(scope="module")
def ucf101(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recognition")
    write_ucf101(folder / "ucf101")
    write_videomae_checkpoint(folder / "checkpoint-99.pth")
    return folder


@pytest.fixture(scope="module")
def recognition(ucf101: Path) -> list[str]:
    return [
        "--config=videomae_b_ucf101.yaml",
        f"--data.root={ucf101 / 'ucf101'}",
        "--data.batch_size=16",
        f"--model.checkpoint={ucf101 / 'checkpoint-99.pth'}",
        f"--model.size={json.dumps(VIDEOMAE_SIZE)}",
        "--model.num_classes=3",
        *COMMON,
    ]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base2novel")
    write_base_to_novel(folder / "ucf101")
    write_clip_checkpoints(folder, seeds=2)
    (folder / "vocab.txt").write_text("\n".join(CLIP_WORDS) + "\n")
    return folder


@pytest.fixture(scope="module")
def base_to_novel(clip_folder: Path) -> list[str]:
    return [
        "--config=vifi_clip_ucf101_base2novel.yaml",
        f"--data.root={clip_folder / 'ucf101'}",
        "--data.batch_size=3",
        f"--model.token_embedding={clip_folder / 'clip.pt'}",
        f"--model.size={json.dumps(CLIP_SIZE)}",
        f"--model.tokenizer={clip_folder / 'vocab.txt'}",
        *COMMON,
    ]


def test_recognition_compares_three_methods_over_all_views(recognition, tmp_path, capsys):
    results = evaluate(recognition, tmp_path)
    printed = capsys.readouterr().out
    assert "| method | GFLOPs | top-1 | top-5 | Δ base |" in printed
    assert "9 of 9 videos, 15 views" in printed
    assert list(results["methods"]) == ["base", "tome", "vidtldr"]
    for method in results["methods"].values():
        assert method["counts"] == {"views": 15}
        assert method["metrics"]["top5"] == 100  # of three classes
        assert method["speed"]["clips_measured"] == 8 * 15  # the first batch, one video, is a warm-up
    assert results["methods"]["vidtldr"]["gflops"] < results["methods"]["base"]["gflops"]


def test_recognition_scores_are_those_of_the_views_one_by_one(recognition, ucf101, tmp_path):
    results = evaluate(recognition, tmp_path, "--methods=base")
    model = VideoMAE(
        videomae_size("videomae_b", VIDEOMAE_SIZE), num_classes=3, num_frames=NUM_FRAMES, image_size=IMAGE_SIZE
    ).eval()
    load_videomae(model, ucf101 / "checkpoint-99.pth")
    from datamodules import UCF101

    data = UCF101(str(ucf101 / "ucf101"), num_frames=NUM_FRAMES, image_size=IMAGE_SIZE, num_workers=0)
    data.setup("test")
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    hits = []
    for batch in data.test_dataloader():
        clips = ((batch.clips / 255 - mean) / std).transpose(1, 2)
        with torch.no_grad():
            views = torch.stack([model(clip[None])[0].double().softmax(0) for clip in clips])
        for video in batch.index.unique():
            of_video = batch.index == video
            hits.append(bool(views[of_video].mean(0).argmax() == batch.label[of_video][0]))
    assert len(hits) == 9
    assert results["methods"]["base"]["metrics"]["top1"] == pytest.approx(100 * sum(hits) / 9)


def test_a_broken_video_is_left_out_of_the_accuracy_and_counted(recognition, ucf101, tmp_path):
    root = write_ucf101(tmp_path / "data")
    (root / "UCF-101" / "Typing" / "v_Typing_g01_c02.avi").write_bytes(b"not a video" * 200)
    results = evaluate([*recognition, f"--data.root={root}"], tmp_path / "out", "--methods=base,vidtldr")
    for method in results["methods"].values():
        assert method["metrics_over_videos"] == "8 of 9"
        assert method["broken"] == ["Typing/v_Typing_g01_c02.avi"]


def test_a_model_with_fewer_classes_than_the_data_is_refused(recognition, tmp_path, capsys):
    write_videomae_checkpoint(tmp_path / "two.pth", num_classes=2)
    sentence = refused(recognition, capsys, "--model.num_classes=2", f"--model.checkpoint={tmp_path / 'two.pth'}")
    assert sentence == "error: the data have 3 classes, the model 2: set --model.num_classes"


def test_a_checkpoint_for_other_classes_is_refused(recognition, capsys):
    assert "classes" in refused(recognition, capsys, "--model.num_classes=5")


def test_base_to_novel_averages_seeds_and_takes_the_harmonic_mean(base_to_novel, clip_folder, tmp_path, capsys):
    files = [str(clip_folder / f"s{seed}.pth") for seed in (1, 2)]
    both = evaluate(base_to_novel, tmp_path / "both", f"--model.checkpoint={json.dumps(files)}", "--methods=base,tome")
    printed = capsys.readouterr().out
    assert "| method | GFLOPs | base classes | novel classes | HM | Δ base |" in printed
    assert "2 of 3 seeds" in printed
    assert "8 of 8 videos, 4 base, 4 novel" in printed
    alone = [
        evaluate(base_to_novel, tmp_path / str(n), f"--model.checkpoint={file}", "--methods=base")
        for n, file in enumerate(files)
    ]
    measured = [one["methods"]["base"]["speed"]["clips_measured"] for one in alone]
    assert both["methods"]["base"]["speed"]["clips_measured"] == sum(measured) > max(measured)
    scores = both["methods"]["base"]["metrics"]
    for half in ("base", "novel"):
        assert scores[half] == pytest.approx(sum(one["methods"]["base"]["metrics"][half] for one in alone) / 2)
    total = scores["base"] + scores["novel"]
    assert scores["hm"] == pytest.approx(2 * scores["base"] * scores["novel"] / total if total else 0)
    assert [len(digest) for digest in both["checkpoint"]["sha256"]] == [64, 64]


def test_plain_clip_is_evaluated_with_bare_names(base_to_novel, clip_folder, tmp_path, capsys):
    options = [option for option in base_to_novel if "token_embedding" not in option]
    results = evaluate(options, tmp_path, f"--model.checkpoint={clip_folder / 'clip.pt'}", "--model.template=null")
    assert list(results["methods"]) == ["base", "tome", "vidtldr"]
    assert "bare class names" in capsys.readouterr().out


def test_a_vifi_clip_file_without_the_token_table_is_refused(base_to_novel, clip_folder, capsys):
    options = [option for option in base_to_novel if "token_embedding" not in option]
    sentence = refused(options, capsys, f"--model.checkpoint={clip_folder / 's1.pth'}")
    assert "token_embedding" in sentence


def test_a_template_without_a_place_for_the_name_is_refused(base_to_novel, capsys):
    assert "has no {} where the class name goes" in refused(base_to_novel, capsys, "--model.template=a photo.")
