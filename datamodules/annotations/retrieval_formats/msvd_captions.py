"""What the formats of MSVD share: lines of a clip and its sentence, and lists of the clips of a split."""

import re

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.text_files import read_utf8, shown, shown_names, split_lines


def first_caption(content: Content) -> str:
    """The first line that is no comment; empty if there is none."""
    return next((line for line in content.lines if not line.startswith("#")), "")


def caption_lines(content: Content, pattern: re.Pattern[str]) -> dict[str, list[str]]:
    """Captions of each clip, clips in order of first appearance; ``#`` begins a comment line.

    Raises:
        ValueError: A line does not match.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(split_lines(content.text), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = pattern.fullmatch(line)
        if not match:
            raise ValueError(f"{content.path}, line {number}: expected a clip and its sentence, found {shown(line)}")
        captions.setdefault(match[1], []).append(match[2].strip())
    return captions


def of_split(content: Content, captions: dict[str, list[str]]) -> RetrievalRecords:
    """The clips of the wanted split out of the captions of all.

    Raises:
        FileNotFoundError: There is no list of the split beside the file.
        ValueError: The list names a clip without a caption.
    """
    path = content.path
    list_file = path.parent / f"{content.split}_list.txt"
    if not list_file.is_file():
        raise FileNotFoundError(f"{path} holds all splits of MSVD: {list_file}, one clip id a line, must lie beside it")
    clips = [line.strip() for line in split_lines(read_utf8(list_file)) if line.strip()]
    unknown = [clip for clip in clips if clip not in captions]
    if unknown:
        raise ValueError(f"{path} has no caption for {len(unknown)} clips of {list_file}: {shown_names(unknown)}")
    return RetrievalRecords.from_captions((clip, captions[clip]) for clip in dict.fromkeys(clips))
