"""A data set from outside the package is found by its class path and evaluated as any other."""

import json
from pathlib import Path

import pytest

from tests.helpers import tasks, tiny_run
from tests.helpers.datasets import queries, set_up
from tests.outside.toy_dataset import ToyDataset


@pytest.fixture
def msvd(tmp_path: Path) -> Path:
    """Four videos of a small MSVD with one caption each, and the same as a toy data set in ``toy``."""
    root = tiny_run.write_msvd(tmp_path / "msvd", num_videos=4, captions=1)
    records = json.loads((root / "msvd_ret_test.json").read_text())
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "films").symlink_to(root / "YouTubeClips")
    lines = (f"{record['video']}\t{record['caption'][0]}\n" for record in records)
    (tmp_path / "toy" / "captions.tsv").write_text("".join(lines))
    return root


def test_its_own_annotation_is_read(msvd: Path, tmp_path: Path) -> None:
    videos = [f"clip{number}_1_8.mp4" for number in range(4)]
    datamodule = set_up(ToyDataset, tmp_path / "toy")
    captions = [record["caption"][0] for record in json.loads((msvd / "msvd_ret_test.json").read_text())]
    assert datamodule.records.videos == videos
    assert queries(datamodule) == (captions, [[0], [1], [2], [3]])


@pytest.mark.slow
def test_its_scores_are_those_of_the_same_videos_in_a_known_layout(msvd: Path, tmp_path: Path) -> None:
    vocabulary = tiny_run.write_vocabulary(tmp_path / "vocab.txt")
    checkpoint = tiny_run.write_checkpoint(tmp_path / "weights.pth")
    outcomes = []
    for data, root in (("datamodules.MSVD", msvd), ("tests.outside.toy_dataset.ToyDataset", tmp_path / "toy")):
        options = [f"--data={data}", *tiny_run.tiny_options(root, vocabulary), f"--model.checkpoint={checkpoint}"]
        output = tmp_path / f"results-of-{root.name}"
        done = tasks.run(tasks.command(["--config=umt_b_msvd.yaml", *options], output, "--methods=base,vidtldr"))
        assert done.returncode == 0, done.stderr
        outcomes.append(tasks.outcome(output))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0]["base"]["metrics_over_videos"] == "4 of 4"
