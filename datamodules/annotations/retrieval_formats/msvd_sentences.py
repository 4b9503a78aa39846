"""MSVD with clips that are numbered ``vid1``, ``vid2``, ..., one file a split."""

import re
from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.retrieval_formats.msvd_captions import caption_lines, first_caption

_LINE = re.compile(r"(vid\d+)\t(.*)")


class MSVDSentences(RetrievalFormat):
    """A sentence a line."""

    name: ClassVar = "MSVD sentences"
    shape: ClassVar = "lines vidN<TAB>sentence"

    def recognises(self, content: Content) -> bool:
        """By the first sentence."""
        return _LINE.fullmatch(first_caption(content)) is not None

    def read(self, content: Content) -> RetrievalRecords:
        """Sentences of each clip."""
        return RetrievalRecords.from_captions(caption_lines(content, _LINE).items())
