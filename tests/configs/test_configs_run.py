"""Every shipped config evaluates two videos, with a tiny model but its own methods and data."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import datamodules
from tests.helpers import tiny_classes, tiny_run, tiny_towers, tiny_vqa
from tests.helpers.datasets import put_json, put_videos
from vidtldr.cli.entry import run
from vidtldr.cli.inheritance import read_config
from vidtldr.cli.paths import CONFIG_DIR, config_names

pytestmark = pytest.mark.slow
CELLS = [name for name in config_names() if not name.startswith("demo")]
DEPTH = 8  # Table 1 drops tokens up to the seventh layer


def put_retrieval(root: Path, dataset: Any) -> None:
    """Two videos and UMT's annotation of them, under the name that the data set looks for first."""
    put_videos(root / "videos", "a.mp4", "b.mp4")
    records = [{"video": "a.mp4", "caption": "a red shape"}, {"video": "b.mp4", "caption": "a blue shape moves"}]
    put_json(root / dataset.annotation_names[0], records)


def put_questions(root: Path, dataset: Any) -> None:
    put_videos(root / "videos", "a.mp4", "b.mp4")
    asked = {"question": "what color is the shape", "answer": "red"}
    put_json(root / dataset.annotation_names[0], [{"video": name, **asked} for name in ("a.mp4", "b.mp4")])
    put_json(root / "answers.json", tiny_vqa.ANSWERS)


def put_ssv2(root: Path) -> None:
    put_videos(root / "videos", "1.webm.mp4", "2.webm.mp4", num_frames=20)
    put_json(root / "labels.json", {"Lifting something": "0", "Moving something": "1"})
    templates = {"1": "Lifting [something]", "2": "Moving [something]"}
    put_json(root / "validation.json", [{"id": id_, "label": "x", "template": t} for id_, t in templates.items()])
    for id_ in templates:
        (root / "videos" / f"{id_}.webm.mp4").rename(root / "videos" / f"{id_}.mp4")


def put_list(root: Path) -> None:
    """A list of VideoMAE, which Kinetics and HMDB51 read."""
    put_videos(root / "videos", "clap/a.mp4", "run/b.mp4", num_frames=20)
    (root / "val.csv").write_text("clap/a.mp4 0\nrun/b.mp4 1\n")


_RECOGNITION = {"SSv2": put_ssv2, "HMDB51": put_list, "Kinetics400": put_list}


def tiny(config: dict[str, Any], folder: Path) -> list[str]:
    """Data for a config in ``folder``, and the options that make its model small."""
    task = config["model"]["class_path"].rpartition(".")[2]
    dataset_name = config["data"]["class_path"].rpartition(".")[2]
    dataset = getattr(datamodules, dataset_name)
    root = folder / "data"
    options = [f"--data.root={root}", "--data.batch_size=2", "--data.num_workers=0"]
    if task == "VideoTextRetrieval":
        put_retrieval(root, dataset)
        vocabulary = tiny_run.write_vocabulary(folder / "vocab.txt")
        size, shape = tiny_run.SIZE, (tiny_run.NUM_FRAMES, tiny_run.IMAGE_SIZE)
        options += [f"--model.tokenizer={vocabulary}", "--model.max_text_length=8"]
    elif task == "VideoQuestionAnswering":
        put_questions(root, dataset)
        vocabulary = tiny_vqa.write_vocabulary(folder / "vocab.txt")
        size, shape = tiny_vqa.SIZE, (tiny_run.NUM_FRAMES, tiny_run.IMAGE_SIZE)
        options += [f"--model.tokenizer={vocabulary}", "--model.max_question_length=12"]
        options += [f"--data.answer_list={root / 'answers.json'}"]
    else:
        shape = (tiny_classes.NUM_FRAMES, tiny_classes.IMAGE_SIZE)
        if task == "BaseToNovel":
            tiny_classes.write_base_to_novel(root, videos_per_class=1)
            (folder / "vocab.txt").write_text("\n".join(tiny_classes.CLIP_WORDS) + "\n")
            size, options = tiny_classes.CLIP_SIZE, [*options, f"--model.tokenizer={folder / 'vocab.txt'}"]
        elif task == "DualEncoderRetrieval":
            put_retrieval(root, dataset)
            size = tiny_classes.VIDEOMAE_SIZE
            if config["model"]["init_args"]["backbone"].startswith("siglip"):
                tiny_towers.write_tokenizer(folder / "words")
                size = size | {"vocab_size": tiny_towers.VOCABULARY}
                options.append(f"--model.tokenizer={folder / 'words'}")
        else:
            _RECOGNITION.get(dataset_name, partial(tiny_classes.write_ucf101, videos_per_class=1))(root)
            size = tiny_classes.VIDEOMAE_SIZE
    options += [f"--model.size={json.dumps(size | {'depth': DEPTH})}", f"--model.num_frames={shape[0]}"]
    return [*options, f"--model.image_size={shape[1]}", "--trainer.accelerator=cpu", "--trainer.precision=32-true"]


def small_schedules(methods: dict[str, Any]) -> list[str]:
    """The methods as they are, but for one token a layer wherever the config merges some."""
    options = []
    for name, given in methods.items():
        if "r" in given:
            r = [min(1, tokens) for tokens in given["r"]] if isinstance(given["r"], list) else 1
            options.append(f"--methods.{name}.r={json.dumps(r)}")
    return options


@pytest.mark.parametrize("name", CELLS)
def test_a_config_evaluates_two_videos(name, tmp_path):
    config = read_config(CONFIG_DIR / name)
    options = [*tiny(config, tmp_path), *small_schedules(config["methods"]), "--limit=2"]
    assert run("vidtldr.cli.evaluate", ["--config", name, *options, f"--output={tmp_path / 'out'}"]) == 0
    (folder,) = (tmp_path / "out").iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert list(results["methods"]) == list(config["methods"])
    for method, result in results["methods"].items():
        expected = 4 if "base2novel" in name else 2  # of each half
        assert result["videos_evaluated"] == result["videos_total"] == expected
        merges = bool(config["methods"][method])
        rollout = method == "rollout"  # which pays for its first pass
        assert (result["gflops"] < results["methods"]["base"]["gflops"]) == (merges and not rollout)
