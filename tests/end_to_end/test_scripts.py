"""``Trainer.test`` in a script of one's own gives what ``eval.py`` gives, in one process and in two."""

import json
import sys
from pathlib import Path

import pytest

from tests.helpers import tiny_run
from tests.helpers.tasks import TASKS, command, outcome, run
from vidtldr.cli.entry import run as run_here

SCRIPT = """
import json, sys
from pathlib import Path

from lightning import Trainer

from callbacks import TokenMergeCallback
from datamodules import MSVD
from vidtldr.tasks import VideoTextRetrieval

if __name__ == "__main__":
    folder, devices, size = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    task = VideoTextRetrieval(
        size=size, num_frames=4, image_size=32, checkpoint=str(folder / "weights.pth"),
        tokenizer=str(folder / "vocab.txt"), max_text_length=8, k_test=4,
    )
    data = MSVD(
        str(folder / "data"), num_frames=4, image_size=32, batch_size=3, num_workers=1, text_batch_size=4,
    )
    trainer = Trainer(
        accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", use_distributed_sampler=False,
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        callbacks=[TokenMergeCallback("vidtldr", {"r": [3, 2]})],
    )
    metrics = trainer.test(task, datamodule=data, verbose=False)[0]
    if trainer.is_global_zero:
        print("METRICS", json.dumps(metrics))
        print("BROKEN", json.dumps(data.coverage.broken))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("script")


@pytest.fixture(scope="module")
def by_command(folder: Path, one_thread: None) -> dict[str, float]:
    """The scores of ``eval.py``."""
    options = TASKS["retrieval"](folder)
    assert run_here("vidtldr.cli.evaluate", command(options, folder / "out", "--methods=vidtldr")[2:]) == 0
    methods, _ = outcome(folder / "out")
    return methods["vidtldr"]["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_the_same_scores_and_broken_videos(folder, by_command, devices, tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    done = run([sys.executable, str(tmp_path / "mine.py"), str(folder), str(devices), json.dumps(tiny_run.SIZE)])
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("METRICS", "BROKEN")))
    assert json.loads(said["METRICS"]) == pytest.approx(by_command, abs=1e-5)
    assert json.loads(said["BROKEN"]) == ["clip4_1_8.mp4"]
