"""DiDeMo: uploads of a photo site, each found by the paragraph of all its descriptions."""

from collections.abc import Iterable
from typing import ClassVar

from datamodules.annotations.video_files import VIDEO_SUFFIXES, strip_suffix
from datamodules.retrieval import RetrievalDataModule


class DiDeMo(RetrievalDataModule):
    """DiDeMo with its own annotation or that of UMT.

    Test sets of 1,003, 1,004 and 1,036 videos are in use, which differ in what they do with uploads under two suffixes
    and are not comparable. An annotation of UMT is taken as it is; in the original one such uploads are one video.
    """

    annotation_names: ClassVar = ("didemo_ret_test.json", "test_data.json")
    test_videos: ClassVar = (1003, 1004, 1036)
    paragraphs: ClassVar = True
    max_seconds: ClassVar = 30.0  # what was annotated
    suffixes_are_copies: ClassVar = True

    def video_aliases(self, stem: str) -> Iterable[str]:
        """The usual download appends ``.mp4`` to the original name, and some of those end in a bare dot."""
        original = strip_suffix(stem).rstrip(".")
        yield original
        yield f"{original}."
        yield from (f"{original}{suffix}.mp4" for suffix in VIDEO_SUFFIXES)
