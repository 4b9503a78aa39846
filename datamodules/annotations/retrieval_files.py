"""Retrieval annotations in the formats in which they circulate, told apart by content and never by file name."""

import logging
from pathlib import Path

from datamodules.annotations.content import Content
from datamodules.annotations.foreign_paths import described, tolerated_paths
from datamodules.annotations.records import RetrievalRecords
from datamodules.annotations.retrieval_formats import FORMATS, RetrievalFormat
from datamodules.annotations.text import pre_text
from datamodules.annotations.text_files import shown, shown_names

logger = logging.getLogger(__name__)

ACCEPTED_FORMATS = tuple(f"{accepted.name} ({accepted.shape})" for accepted in FORMATS)


def read_annotation(path: str | Path, split: str = "test", *, paragraphs: bool = False) -> RetrievalRecords:
    """Read a retrieval annotation, whatever its format.

    Args:
        path: Annotation file.
        split: Part of the dataset, for formats that hold all of it and name the parts in ``<split>_list.txt``.
        paragraphs: Join the captions of a record into one; otherwise each of them is a text of its own.

    Raises:
        FileNotFoundError: There is no such file, or no list of the split beside it.
        ValueError: The format is not accepted, or a record has not the shape of its format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no annotation file {path}")
    content = Content(path, split)
    found = _format_of(content)
    records = found.read(content)
    if not records.videos:
        raise ValueError(f"{path} holds no record ({found.name})")
    if paragraphs:
        records = records.paragraphs()
    name = described(found.name, tolerated_paths(records.videos))
    logger.info("%s: read as %s, %d videos, %d texts", path, name, len(records.videos), len(records.texts))
    empty = sum(not pre_text(text) for text in records.texts)
    if empty:
        logger.warning("%s: %d captions are empty once cleaned; each stays a query", path, empty)
    return records


def _format_of(content: Content) -> RetrievalFormat:
    try:
        found = next((known for known in FORMATS if known.recognises(content)), None)
    except UnicodeDecodeError as error:
        raise _unknown(content, f"it is not UTF-8 text (byte {error.start})") from error
    if found is not None:
        return found
    if isinstance(content.json, dict):
        _refuse_msrvtt(content)
        raise _unknown(content, f"it is a JSON dict with the keys {shown_names(content.json)}")
    raise _unknown(content, f"its first line is {shown(content.lines[0])}" if content.lines else "it is empty")


def _refuse_msrvtt(content: Content) -> None:
    if {"videos", "sentences"} <= content.json.keys() or "annotations" in content.json:
        raise ValueError(
            f"{content.path} is an MSR-VTT JSON, which holds some 20 captions of every video: which of them the 1k-A "
            "test uses is told only by MSRVTT_JSFUSION_test.csv or msrvtt_ret_test1k.json, so give one of these"
        )


def _unknown(content: Content, finding: str) -> ValueError:
    accepted = "; ".join(ACCEPTED_FORMATS)
    return ValueError(f"{content.path} is in no known format: {finding}; accepted are {accepted}")
