"""ActivityNet Captions: a long video is found by the paragraph of all its sentences."""

from collections.abc import Iterable
from typing import ClassVar

from datamodules.retrieval import RetrievalDataModule


class ActivityNet(RetrievalDataModule):
    """ActivityNet Captions, tested on ``val_1``, with its own annotation or that of UMT under both names."""

    annotation_names: ClassVar = ("anet_ret_val_1.json", "anet_ret_val.json", "val_1.json")
    test_videos: ClassVar = 4917
    paragraphs: ClassVar = True

    def video_aliases(self, stem: str) -> Iterable[str]:
        """``v_<id>`` may lie on disk as ``<id>``, and the other way round; an id may itself begin with ``v_``."""
        yield f"v_{stem}"
        if stem.startswith("v_"):
            yield stem.removeprefix("v_")
