"""Write the demo data set in MSVD's own layout: ``YouTubeClips/<id>.mp4`` and ``msvd_ret_<split>.json``.

Every file is written under a temporary name and renamed, the annotation of a split comes last, and ``demo.json`` says
which version of the generator made the videos. So an interrupted run is continued and an outdated set is made again.
"""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
from rich.console import Console
from rich.progress import track

from datamodules.demo.captions import make_captions
from datamodules.demo.render import render
from datamodules.demo.scenes import FPS, HEIGHT, WIDTH, Scene, make_scene

GENERATOR_VERSION = 1  # raise it whenever a video or a caption changes
VIDEO_FOLDER = "YouTubeClips"
MANIFEST = "demo.json"

_VIDEOS_BEFORE_ESTIMATE = 16
_VIDEOS_WORTH_A_POOL = 600  # below, starting processes costs more than it saves
_SMALLEST_VIDEO_BYTES = 1024


@dataclass(frozen=True)
class Split:
    """What one split consists of.

    Attributes:
        num_videos: Videos, unless the caller asks for another number.
        num_captions: Captions per video.
        seed: Seed of the split; video ``i`` depends on it and on ``i`` alone.
        unseen: Whether backgrounds come from the part of the photographs that training never shows.
    """

    num_videos: int
    num_captions: int
    seed: int
    unseen: bool


SPLITS: Mapping[str, Split] = {
    "test": Split(num_videos=240, num_captions=5, seed=2001, unseen=True),
    "val": Split(num_videos=120, num_captions=5, seed=2002, unseen=True),
    "train": Split(num_videos=6000, num_captions=8, seed=2003, unseen=False),
}


def ensure(
    root: Path | str,
    splits: Sequence[str] = ("test",),
    *,
    num_videos: Mapping[str, int] | None = None,
    processes: int | None = None,
) -> None:
    """Make sure that the demo data of ``splits`` lie complete under ``root``; generate what is missing.

    Call it from one process at a time, as Lightning calls ``prepare_data``: two that start from an empty folder at once
    may take each other's files for leftovers.

    Args:
        root: Folder of the data set, made if it does not exist.
        splits: Names out of ``SPLITS``.
        num_videos: Number of videos per split where it shall differ from ``SPLITS``; a larger set begins with the
            videos of a smaller one.
        processes: Worker processes. ``None`` takes one for a small job and one per core for a large one. The files do
            not depend on it.

    Raises:
        ValueError: A split is unknown, a number is not positive, or ``root`` cannot be written.
        FileNotFoundError: A background photograph is missing from the installed packages.
    """
    root = Path(root)
    counts = {}
    for name in splits:
        if name not in SPLITS:
            raise ValueError(f"unknown demo split {name!r}; the splits are {', '.join(SPLITS)}")
        counts[name] = (num_videos or {}).get(name, SPLITS[name].num_videos)
        if counts[name] < 1:
            raise ValueError(f"the demo split {name!r} needs at least 1 video, not {counts[name]}")
    if processes is not None and processes < 1:
        raise ValueError(f"the demo data need at least 1 process, not {processes}")
    for name, count in counts.items():
        if is_complete(root, name, count):
            continue
        try:
            _generate_split(root, name, count, processes)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.errno is None:  # a photograph, with its own sentence
                raise
            reason = error.strerror or str(error)
            raise ValueError(
                f"cannot write the demo data into {root}: {reason}; name a folder you may write"
            ) from error


def is_complete(root: Path, split: str, num_videos: int) -> bool:
    """Tell whether a split lies under ``root`` with that many videos, all made by this version of the generator."""
    annotation = root / annotation_name(split)
    if _read_manifest(root).get(split) != _stamp(split, num_videos) or not annotation.is_file():
        return False
    return not _missing(root, split, num_videos)


def annotation_name(split: str) -> str:
    """Name of a split's annotation file, as MSVD's are called."""
    return f"msvd_ret_{split}.json"


def video_name(split: str, index: int) -> str:
    """File name of a video."""
    return f"demo_{split}_{index:04d}.mp4"


def scene_of(split: str, index: int) -> Scene:
    """The scene that the video ``index`` of ``split`` shows."""
    return make_scene(f"{SPLITS[split].seed}/{index}", unseen=SPLITS[split].unseen)


def write_video(path: Path, scene: Scene) -> None:
    """Render ``scene`` into an H.264 file with a key frame every 12 frames, so that jumping into it is cheap."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        with av.open(str(temporary), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.options = {"crf": "23", "preset": "veryfast", "g": "12", "bf": "0", "threads": "1"}
            for pixels in render(scene):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _generate_split(root: Path, split: str, num_videos: int, processes: int | None) -> None:
    """Write the videos of a split that are missing, then its annotation."""
    folder = root / VIDEO_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _read_manifest(root)
    stamp, found = _stamp(split, num_videos), manifest.get(split)
    annotation = root / annotation_name(split)
    annotation.unlink(missing_ok=True)
    if not isinstance(found, dict) or {**found, "videos": num_videos} != stamp:
        for stale in folder.glob(f"demo_{split}_*.mp4"):  # of another version, or of unknown origin
            stale.unlink()
    _write_json(root / MANIFEST, {**manifest, split: stamp})
    todo = _missing(root, split, num_videos)
    for _ in _report(_write_all(folder, split, todo, processes), split, root, len(todo)):
        pass
    records = []
    for index in range(num_videos):
        scene = scene_of(split, index)
        captions = make_captions(scene, SPLITS[split].num_captions)
        name = video_name(split, index)
        records.append({"video": name, "caption": captions, "duration": round(scene.num_frames / FPS, 2)})
    _write_json(annotation, records)


def _write_all(folder: Path, split: str, indices: list[int], processes: int | None) -> Iterator[int]:
    """Write videos, in several processes if that pays; yield each index when its file is there."""
    workers = min(_num_workers(processes, len(indices)), len(indices))
    if workers <= 1:
        yield from (_write_one(folder, split, index) for index in indices)
        return
    # "spawn": a fork of a process in which torch has started its threads may hang.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_write_one, *zip(*((folder, split, i) for i in indices), strict=True), chunksize=16)


def _write_one(folder: Path, split: str, index: int) -> int:
    write_video(folder / video_name(split, index), scene_of(split, index))
    return index


def _num_workers(processes: int | None, num_videos: int) -> int:
    if processes is not None:
        return processes
    return 1 if num_videos < _VIDEOS_WORTH_A_POOL else os.cpu_count() or 1


def _report(done: Iterable[int], split: str, root: Path, total: int) -> Iterator[int]:
    """Pass ``done`` on and show its progress on stderr: a bar on a terminal, else one line with an estimate."""
    text = f"generating {total} demo videos ({split}) into {root}"
    if sys.stderr.isatty():
        yield from track(done, description=text, total=total, console=Console(stderr=True))
        return
    started = time.monotonic()
    for count, index in enumerate(done, start=1):
        if count == min(_VIDEOS_BEFORE_ESTIMATE, total):
            seconds = (time.monotonic() - started) / count * (total - count)
            print(f"{text}, about {seconds:.0f} s …", file=sys.stderr, flush=True)
        yield index


def _missing(root: Path, split: str, num_videos: int) -> list[int]:
    """Indices of the videos that are not there, or too small to be a video."""
    folder = root / VIDEO_FOLDER
    if not folder.is_dir():
        return list(range(num_videos))
    with os.scandir(folder) as entries:
        there = {e.name for e in entries if e.name.endswith(".mp4") and e.stat().st_size >= _SMALLEST_VIDEO_BYTES}
    return [index for index in range(num_videos) if video_name(split, index) not in there]


def _stamp(split: str, num_videos: int) -> dict[str, int]:
    """What the manifest says of a split."""
    facts = SPLITS[split]
    return {
        "generator_version": GENERATOR_VERSION,
        "seed": facts.seed,
        "videos": num_videos,
        "captions_per_video": facts.num_captions,
    }


def _read_manifest(root: Path) -> dict[str, object]:
    """Read ``demo.json``; an absent or broken one says nothing about any split."""
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _write_json(path: Path, content: object) -> None:
    """Write under a temporary name, then rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
