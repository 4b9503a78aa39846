"""Recognition annotations in the formats in which they circulate, told apart by content and never by file name."""

import logging
from collections.abc import Sequence
from pathlib import Path

from datamodules.annotations.class_tree import read_class_tree
from datamodules.annotations.content import Content
from datamodules.annotations.foreign_paths import described, with_slashes
from datamodules.annotations.recognition_formats import FORMATS
from datamodules.annotations.recognition_formats.labelled_lines import numbered
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import read_utf8, shown, shown_names
from datamodules.annotations.video_lists import filled_lines, read_labelled

logger = logging.getLogger(__name__)

ACCEPTED_FORMATS = tuple(shape for accepted in FORMATS for shape in accepted.shapes)


def read_recognition_list(
    path: str | Path,
    class_folders: Sequence[Path] = (),
    *,
    class_files: Sequence[str] = (),
    num_classes: int | None = None,
    split: str = "test",
) -> RecognitionRecords:
    """Read the videos of a recognition annotation and their classes, whatever its format.

    Args:
        path: Annotation file, or a folder with a folder of videos for each class.
        class_folders: Where, besides the folder of the annotation, the file that numbers the classes is looked for.
        class_files: Names of such a file beside ``classInd.txt``.
        num_classes: Classes of the whole data set: names without a file that numbers them are numbered by the alphabet
            if there are so many.
        split: Part of the data set, for annotations that hold several.

    Raises:
        FileNotFoundError: There is no such file, or no numbering of the classes where the format needs one.
        ValueError: The format is not accepted, a label is impossible or contradicts the folder of its video, or a video
            has two labels.
    """
    path = Path(path)
    content = Content(path, split, (path.parent, *class_folders), class_files, num_classes)
    if path.is_dir():
        return read_class_tree(content)
    if not path.is_file():
        raise FileNotFoundError(f"no annotation file {path}")
    try:
        found = next((known for known in FORMATS if known.recognises(content)), None)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start})") from error
    if found is None:
        is_object = isinstance(content.json, dict)
        shape = f"an object with the keys {shown_names(content.json)}" if is_object else content.lines[0].rstrip()
        raise _unknown(path, shape)
    name, records = found.read(content)
    _check_repeats(path, records)
    classes = f"{len(set(records.labels))} of {records.num_classes} classes"
    logger.info("%s: read as %s, %d videos of %s", path, name, len(records.videos), classes)
    return records


def read_class_list(path: Path, class_names: list[str]) -> RecognitionRecords:
    """Read a list whose numbers, from 0, refer to these names and to no others.

    Raises:
        ValueError: A line has another form than ``<video><separator><number>``, its number has no name, or a video has
            two numbers.
    """
    lines = filled_lines(path, read_utf8(path))
    listed = read_labelled(path, lines)
    if listed is None:
        raise _unknown(path, lines[0].text)
    records = numbered(listed.videos, class_names)
    _check_repeats(path, records)
    name = described(f"list separated by {listed.separator!r}", listed.tolerated)
    logger.info("%s: read as %s, %d videos", path, name, len(records.videos))
    return records


def _check_repeats(path: Path, records: RecognitionRecords) -> None:
    label_of: dict[str, int] = {}
    for video, label in zip(records.videos, records.labels, strict=True):
        first = label_of.setdefault(with_slashes(video), label)
        if first != label:
            raise ValueError(f"{path}: video {shown(video)} stands there with two classes, {first} and {label}")
    repeated = len(records.videos) - len(label_of)
    if repeated:
        logger.warning("%s: %d lines name a video that an earlier one names; each counts", path, repeated)


def _unknown(path: Path, found: str) -> ValueError:
    return ValueError(f"{path} is in no known format: found {shown(found)}; accepted are {'; '.join(ACCEPTED_FORMATS)}")
