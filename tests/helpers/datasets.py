"""Videos and annotations of the retrieval datasets in their official layouts, a few of each."""

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from datamodules.loading.batches import Batch
from tests.helpers.video import encode_video, numbered_frames


def put_videos(folder: Path, *names: str, num_frames: int = 8, fps: int = 25) -> None:
    """Write one and the same video, :func:`~tests.helpers.video.numbered_frames`, under several names."""
    source = encode_video(folder / "source.mp4", numbered_frames(num_frames), fps=fps)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)
    source.unlink()


def put_json(path: Path, content: Any) -> Path:
    """Write an annotation; returns ``path``."""
    path.write_text(json.dumps(content))
    return path


def set_up(dataset: type, root: Path, stage: str = "test", **options: Any) -> Any:
    """A small datamodule after its ``setup``."""
    datamodule = dataset(str(root), **({"num_frames": 4, "image_size": 32, "num_workers": 0} | options))
    datamodule.setup(stage)
    return datamodule


def file_names(datamodule: Any) -> list[str]:
    """The files of the gallery, relative to the root."""
    clips, _ = datamodule.test_dataloader()
    return [path.relative_to(datamodule.root.resolve()).as_posix() for path in clips.dataset.paths]


def queries(datamodule: Any) -> tuple[list[str], list[list[int]]]:
    """The cleaned texts and the gallery positions of their videos."""
    _, texts = datamodule.test_dataloader()
    (batch,) = texts
    return batch.texts, batch.videos


def contents(batch: Batch) -> set[str]:
    """Names of what a batch holds; what it could hold and does not is left out."""
    return {entry.name for entry in fields(batch) if getattr(batch, entry.name) is not None}
