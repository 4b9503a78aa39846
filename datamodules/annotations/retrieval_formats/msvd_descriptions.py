"""MSVD in the file of its release, which holds all splits."""

import re
from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.retrieval_formats.msvd_captions import caption_lines, first_caption, of_split

_LINE = re.compile(r"(\S+_\d+_\d+)\s(.*)")


class MSVDDescriptions(RetrievalFormat):
    """A sentence a line."""

    name: ClassVar = "MSVD descriptions"
    shape: ClassVar = "lines <clip id> <sentence>, with <split>_list.txt beside them"

    def recognises(self, content: Content) -> bool:
        """By the first sentence."""
        return _LINE.fullmatch(first_caption(content)) is not None

    def read(self, content: Content) -> RetrievalRecords:
        """Sentences of each clip of the split."""
        return of_split(content, caption_lines(content, _LINE))
