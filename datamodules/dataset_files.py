"""Where the files of a data set lie: annotations and videos, under the names in which they circulate."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from lightning import LightningDataModule

from datamodules.annotations.video_files import VideoFiles

logger = logging.getLogger(__name__)

ANNOTATION_FOLDERS = ("", "annotations", "annotation", "anno_downstream", "anno")
"""Folders below the root in which an annotation is looked for."""


class DatasetFiles(LightningDataModule):
    """The folder of a data set.

    Args:
        root: Folder of the dataset.
        annotation: Test annotation, a path or a file name in the folder of the dataset; found by itself if not given.
        video_dir: Folder of the videos, absolute or in the folder of the dataset; found by itself if not given.
        missing: What to do about videos without a file: stop with an error, or skip them in gallery and queries.
        val_annotation: Annotation for validation during training, as annotation.
        train_annotation: Annotation for training, as annotation.
    """

    annotation_names: ClassVar[tuple[str, ...]] = ()
    """File names under which the test annotation is looked for, the preferred one first."""
    annotation_folders: ClassVar[tuple[str, ...]] = ANNOTATION_FOLDERS
    """Folders in which annotations are looked for."""
    video_folders: ClassVar[tuple[str, ...]] = ("videos", "")
    """Folders in which videos are looked for; the first that holds one is used."""
    suffixes_are_copies: ClassVar[bool] = False
    """Whether files that differ in their suffixes alone are one video; otherwise a name that fits both is refused."""

    def __init__(
        self,
        root: str,
        annotation: str | None = None,
        video_dir: str | None = None,
        missing: Literal["error", "skip"] = "error",
        val_annotation: str | None = None,
        train_annotation: str | None = None,
    ) -> None:
        super().__init__()
        if missing not in ("error", "skip"):
            raise ValueError(f"missing={missing!r} must be 'error' or 'skip'")
        self.root = Path(root).expanduser()
        self.annotation, self.val_annotation, self.train_annotation = annotation, val_annotation, train_annotation
        self.video_dir, self.missing = video_dir, missing
        self._files: VideoFiles | None = None

    def is_annotation(self, path: Path) -> bool:
        """Whether a path that an annotation option names, or that is looked for, is one; some are folders."""
        return path.is_file()

    def video_aliases(self, stem: str) -> Iterable[str]:
        """Other names, without suffix, under which a video may lie on disk."""
        return ()

    def _find_videos(self, videos: list[str]) -> list[Path | None]:
        files = self._video_files()
        paths = [files.find(video) for video in videos]
        foreign = sum(map(files.is_foreign, videos))
        if foreign:
            logger.info("%d of %d names are paths of another machine: looked for by their ends", foreign, len(videos))
        lost = [video for video, path in zip(videos, paths, strict=True) if path is None]
        where = f"{len(lost)} of {len(videos)} videos have no file of at least 1 KiB in {files.folder}: "
        where += ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
        if lost and (self.missing == "error" or len(lost) == len(videos)):
            raise FileNotFoundError(where + ('; missing="skip" leaves them out' if self.missing == "error" else ""))
        if lost:
            logger.warning("%s", where)
        return paths

    def _video_files(self) -> VideoFiles:
        if self._files is None:
            names = self.video_folders if self.video_dir is None else (self.video_dir,)
            folders = [folder for folder in (self.root / name for name in names) if folder.is_dir()]
            found = (VideoFiles(folder, self.root, self.video_aliases, self.suffixes_are_copies) for folder in folders)
            self._files = next((files for files in found if files.num_files), None)
            if self._files is None:
                looked = ", ".join(str(self.root / name) for name in names)
                raise FileNotFoundError(f"no folder with videos: looked in {looked}")
            logger.info("%d video files in %s", self._files.num_files, self._files.folder)
        return self._files

    def _annotation_file(self, option: str, names: Sequence[str]) -> Path:
        """The file that an annotation option names; if it names none, the first of ``names`` that is there."""
        return self._find_file(names) if names and getattr(self, option) is None else self._given(option)

    def _find_file(self, names: Sequence[str]) -> Path:
        """The first of these files that lies in one of the annotation folders."""
        self._check_root()
        looked = (self.root / folder / name for name in names for folder in self.annotation_folders)
        found = next((path for path in looked if self.is_annotation(path)), None)
        if found is None:
            raise FileNotFoundError(f"no annotation in {self.root}: looked for {', '.join(names)}")
        return found

    def _given(self, option: str) -> Path:
        """The file that an annotation option names, in the folder of the dataset or as it is written."""
        name: str | None = getattr(self, option)
        if name is None:
            raise ValueError(f"{option} must be given for this stage: a file with the videos to use and what they show")
        self._check_root()
        for path in (*(self.root / folder / name for folder in self.annotation_folders), Path(name)):
            if self.is_annotation(path):
                return path
        raise FileNotFoundError(f"{option}={name}: no such file, neither in {self.root} nor in the current folder")

    def _check_root(self) -> None:
        if not self.root.is_dir():
            raise FileNotFoundError(f"root={self.root}: no such folder")
