"""MSVD: 670 test videos, every one of their captions a query; and MSVD-QA, another split: 13,157 test questions."""

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from datamodules.annotations.text_files import read_utf8, shown, split_lines
from datamodules.base import VideoDataModule
from datamodules.dataset_files import ANNOTATION_FOLDERS
from datamodules.question_answering import QuestionAnsweringDataModule
from datamodules.retrieval import RetrievalDataModule

_RENAMED = re.compile(r"(vid|video)(\d+)")


class MSVDNames(VideoDataModule):
    """Where the clips of MSVD lie and what they are called.

    Clips carry YouTube ids (``<id>_<start>_<end>``) or one of two numberings: ``vid1`` is the first clip of one and
    ``video0`` of the other. Names of different kinds are matched through ``youtube_mapping.txt`` only.
    """

    video_folders: ClassVar = ("YouTubeClips", "videos/all", "videos", "")

    def video_aliases(self, stem: str) -> Iterable[str]:
        """Names of the same clip in the other kinds of naming; none without a mapping file."""
        return self._same_clip.get(stem, ())

    @cached_property
    def _same_clip(self) -> dict[str, list[str]]:
        places = [self.root / folder / "youtube_mapping.txt" for folder in (*ANNOTATION_FOLDERS, *self.video_folders)]
        mapping = next((path for path in places if path.is_file()), None)
        return {} if mapping is None else _read_mapping(mapping)


class MSVD(MSVDNames, RetrievalDataModule):
    """MSVD, in the published layout, its common copies, or with the annotation of UMT."""

    annotation_names: ClassVar = (
        "msvd_ret_test.json",
        "sents_test_lc_nopunc.txt",
        "AllVideoDescriptions.txt",
        "raw-captions.pkl",
    )
    test_videos: ClassVar = 670


class MSVDQA(MSVDNames, QuestionAnsweringDataModule):
    """MSVD-QA, from the annotation of UMT or the original one, whose numbers need ``youtube_mapping.txt``."""

    annotation_names: ClassVar = ("msvd_qa_test.json", "test_qa.json")
    train_names: ClassVar = ("msvd_qa_train.json", "train_qa.json")
    answer_list_names: ClassVar = ("msvd_qa_answer_list.json",)
    video_name: ClassVar = "vid{}"  # counted from 1
    test_questions: ClassVar[int | None] = 13157


def _read_mapping(path: Path) -> dict[str, list[str]]:
    """From each name of a clip to its other names, read from lines ``<clip id> vidN``."""
    same_clip: dict[str, list[str]] = {}
    for number, line in enumerate(split_lines(read_utf8(path)), start=1):
        if not line.strip():
            continue
        clip, _, renamed = line.strip().rpartition(" ")
        match = _RENAMED.fullmatch(renamed)
        if not clip or not match:
            raise ValueError(f"{path}, line {number}: expected '<clip id> vidN', found {shown(line)}")
        first = int(match[2]) - (match[1] == "vid")  # counted from 0; vid1 is video0
        names = [clip.strip(), f"vid{first + 1}", f"video{first}"]
        for name in names:
            same_clip[name] = [other for other in names if other != name]
    return same_clip
