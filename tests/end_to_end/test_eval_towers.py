"""``eval.py`` with a pair of towers: scores against the libraries' own models, methods, mistakes, resuming."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules import MSVD, UCF101
from tests.helpers import tasks
from tests.helpers.command import evaluate, refused
from tests.helpers.kills import kill_at_first
from tests.helpers.tiny_classes import IMAGE_SIZE, NUM_FRAMES
from tests.helpers.tiny_towers import STATISTICS, write_hugging_face, write_open_clip

pytestmark = pytest.mark.slow
SHAPE = {"num_frames": NUM_FRAMES, "image_size": IMAGE_SIZE, "num_workers": 0}


@pytest.fixture(scope="module")
def dual(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("dual")
    return folder, [*tasks.dual_retrieval(folder), "--trainer.precision=32-true"]


@pytest.fixture(scope="module")
def zero_shot(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("zero_shot")
    return folder, [*tasks.zero_shot(folder), "--trainer.precision=32-true"]


def features_of(found: object) -> Tensor:
    return F.normalize(found if isinstance(found, Tensor) else found.pooler_output, dim=-1)  # type: ignore[attr-defined]


def of_videos(model, clips: Tensor) -> Tensor:
    mean, std = (torch.tensor(STATISTICS[name]).view(3, 1, 1) for name in ("image_mean", "image_std"))
    frames = features_of(model.get_image_features(((clips / 255 - mean) / std).flatten(0, 1)))
    return F.normalize(frames.unflatten(0, clips.shape[:2]).mean(dim=1), dim=-1)


def of_texts(model, folder: Path, texts: list[str]) -> Tensor:
    from transformers import AutoTokenizer

    read = AutoTokenizer.from_pretrained(folder)
    length = model.config.text_config.max_position_embeddings
    numbers = read(texts, padding="max_length", max_length=length, return_tensors="pt")["input_ids"]
    return features_of(model.get_text_features(input_ids=numbers))


def samples_of(output: Path) -> list[dict]:
    (folder,) = output.iterdir()
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


@torch.no_grad()
def test_recall_is_that_of_the_librarys_clip_pair_by_pair(dual, tmp_path):
    from transformers import CLIPModel

    folder, options = dual
    results = evaluate(options, tmp_path, "--methods=base")
    metrics = results["methods"]["base"]["metrics"]
    model = CLIPModel.from_pretrained(folder / "clip").eval()
    data = MSVD(str(folder / "data"), batch_size=1, **SHAPE)
    data.setup("test")
    videos, texts = data.test_dataloader()
    gallery = {int(batch.index): of_videos(model, batch.clips)[0] for batch in videos if len(batch.clips)}
    queries = {
        int(row): (text, own[0])
        for batch in texts
        for row, text, own in zip(batch.index, batch.texts, batch.videos)
        if own[0] in gallery
    }
    found = of_texts(model, folder / "clip", [text for text, _ in queries.values()])
    vectors = dict(zip(queries, found))
    assert (len(gallery), len(queries)) == (6, 12)
    t2v = [
        sum(bool(vectors[row] @ other > vectors[row] @ gallery[own]) for other in gallery.values())
        for row, (_, own) in queries.items()
    ]
    v2t = []
    for video, feature in gallery.items():
        best = max(float(vectors[row] @ feature) for row, (_, own) in queries.items() if own == video)
        v2t.append(sum(float(vectors[row] @ feature) > best for row in queries))
    for direction, ranks in (("t2v", t2v), ("v2t", v2t)):
        for k in (1, 5, 10):
            share = 100 * sum(rank < k for rank in ranks) / len(ranks)
            assert metrics[f"{direction}_r{k}"] == pytest.approx(share), (direction, k)
    rows = {(row["query"], row["id"]): row for row in samples_of(tmp_path)}
    for row, rank in zip(queries, t2v):
        assert rows["text", row]["rank"] == rank + 1
        best = max(float(vectors[row] @ feature) for feature in gallery.values())
        assert rows["text", row]["score"] == pytest.approx(best, abs=1e-5)


@torch.no_grad()
def test_zero_shot_probabilities_are_those_of_the_librarys_siglip(zero_shot, tmp_path):
    from transformers import SiglipModel

    folder, options = zero_shot
    templates = ["a photo of a person {}.", "a video of {}"]
    results = evaluate(options, tmp_path, "--methods=base", f"--model.templates={json.dumps(templates)}")
    model = SiglipModel.from_pretrained(folder / "siglip").eval()
    names = ["apply lipstick", "handstand pushups", "typing"]
    prompts = [of_texts(model, folder / "siglip", [t.replace("{}", name) for name in names]) for t in templates]
    classes = F.normalize((prompts[0] + prompts[1]) / 2, dim=-1)
    data = UCF101(str(folder / "data"), batch_size=2, num_segments=1, num_crops=2, stride=None, **SHAPE)
    data.setup("test")
    rows = {row["video"]: row for row in samples_of(tmp_path)}
    hits = 0
    for batch in data.test_dataloader():
        if not len(batch.clips):
            continue
        logits = model.logit_scale.exp() * of_videos(model, batch.clips) @ classes.t() + model.logit_bias
        mean = logits.double().softmax(dim=1).mean(dim=0)  # a batch is the two views of one video
        row = rows.pop(data.records.videos[int(batch.index[0])])
        assert row["likeliest"] == mean.argsort(descending=True).tolist()
        assert row["probabilities"] == pytest.approx(sorted(mean.tolist(), reverse=True), abs=1e-5)
        hits += int(mean.argmax()) == int(batch.label[0])
    assert not rows
    assert results["methods"]["base"]["metrics"]["top1"] == pytest.approx(100 * hits / 8)


def test_methods_cost_less_change_scores_and_r_of_zero_changes_none(dual, tmp_path):
    _, options = dual
    results = evaluate(options, tmp_path, "--methods.tome.r=0", "--methods.vidtldr.r=[8,4]")["methods"]
    assert list(results) == ["base", "tome", "vidtldr"]
    assert results["tome"]["metrics"] == results["base"]["metrics"]
    assert results["vidtldr"]["gflops"] < results["base"]["gflops"] == results["tome"]["gflops"]
    assert results["base"]["videos_evaluated"] == 6
    scores = {method: [row["score"] for row in samples_of(tmp_path) if row["method"] == method] for method in results}
    assert scores["tome"] == pytest.approx(scores["base"], abs=1e-5)
    assert scores["vidtldr"] != pytest.approx(scores["base"], abs=1e-4)


@pytest.mark.parametrize("library", ["siglip", "open_clip"])
def test_other_libraries_are_evaluated_by_the_same_config(library, dual, tmp_path):
    _, options = dual
    write_open_clip(tmp_path / "pair") if library == "open_clip" else write_hugging_face(tmp_path / "pair", library)
    results = evaluate([*options, f"--model.checkpoint={tmp_path / 'pair'}"], tmp_path / "out")["methods"]
    assert list(results) == ["base", "tome", "vidtldr"]
    assert results["vidtldr"]["gflops"] < results["base"]["gflops"]


@pytest.mark.parametrize("stage", ["base/texts", "vidtldr/videos"])
def test_a_run_that_was_killed_goes_on(stage, dual, tmp_path):
    _, options = dual
    whole = tasks.run(tasks.command(options, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    kill_at_first(options, tmp_path / "out", stage)
    again = tasks.run(tasks.command(options, tmp_path / "out"))
    assert again.returncode == 0, again.stderr
    assert "going on with" in again.stderr
    assert tasks.outcome(tmp_path / "out") == tasks.outcome(tmp_path / "whole")


def test_mistakes_are_answered_in_a_sentence(dual, zero_shot, tmp_path, capsys):
    _, options = dual
    assert "known as" not in refused([*options, "--model.checkpoint=null"], capsys)
    assert "set --model.backbone to one of" in refused([*options, "--model.checkpoint=null"], capsys)
    assert "open_clip has no model 'ViT-B-15'; near it are ViT-B-16" in refused(
        [*options, "--model.checkpoint=open_clip:ViT-B-15/openai"], capsys
    )
    assert "open_clip has no weights 'opnai' of ViT-B-16; it has openai" in refused(
        [*options, "--model.checkpoint=open_clip:ViT-B-16/opnai"], capsys
    )
    write_hugging_face(tmp_path / "clip", "clip")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "clip" / name).unlink()
    said = refused([*options, f"--model.checkpoint={tmp_path / 'clip'}"], capsys)
    assert "no tokenizer lies beside checkpoint" in said
    config = json.loads((tmp_path / "clip" / "config.json").read_text())
    (tmp_path / "clip" / "config.json").write_text(json.dumps({**config, "model_type": "siglip2"}))
    said = refused([*options, f"--model.checkpoint={tmp_path / 'clip'}"], capsys)
    assert "variable resolution" in said
    said = refused([*zero_shot[1], '--model.templates=["a photo"]'], capsys)
    assert "no {} where the name of the class belongs" in said
