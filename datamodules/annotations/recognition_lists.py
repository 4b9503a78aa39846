"""Recognition annotations in the formats in which they circulate, told apart by content and never by file name."""

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from datamodules.annotations.class_files import (
    CLASS_INDEX,
    TEMPLATE_LABELS,
    find_class_file,
    read_class_index,
    read_template_labels,
)
from datamodules.annotations.foreign_paths import described, tolerated_paths, with_slashes
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import is_text, read_json, read_utf8, shown, shown_names
from datamodules.annotations.video_files import strip_suffix
from datamodules.annotations.video_lists import (
    LabelledVideo,
    Line,
    filled_lines,
    read_labelled,
    read_unlabelled,
    separator_of,
)

logger = logging.getLogger(__name__)

ACCEPTED_FORMATS = (
    "UCF101 test list (lines <class>/<video>, with classInd.txt)",
    "UCF101 training list (lines <class>/<video> <class number from 1>, with classInd.txt)",
    "list (lines <video><separator><class number from 0>, the separator a space, a comma, a semicolon or a tab, "
    "with or without quotes, a header line or an index with a header)",
    'SSv2 JSON (a list of objects with "id" and "template", with labels.json)',
)

_UCF_NAME = re.compile(r"v_(.+)_g[0-9]+_c[0-9]+")


def read_recognition_list(path: str | Path, class_folders: Sequence[Path] = ()) -> RecognitionRecords:
    """Read the videos of a recognition annotation and their classes, whatever its format.

    Args:
        path: Annotation file.
        class_folders: Where, besides the folder of the annotation, the file that numbers the classes is looked for.

    Raises:
        FileNotFoundError: There is no such file, or no numbering of the classes where the format needs one.
        ValueError: The format is not accepted, a label is impossible or contradicts the folder of its video, or a video
            has two labels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no annotation file {path}")
    folders = (path.parent, *class_folders)
    text = read_utf8(path)
    name, records = _read_json(path, folders) if text.lstrip()[:1] in ("[", "{") else _read_text(path, text, folders)
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
    records = _numbered(listed.videos, class_names)
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


def _read_text(path: Path, text: str, folders: Sequence[Path]) -> tuple[str, RecognitionRecords]:
    lines = filled_lines(path, text)
    class_index = find_class_file(folders, [CLASS_INDEX])
    listed = read_labelled(path, lines)
    if listed is None:
        return _read_unlabelled(path, lines, class_index)
    videos = listed.videos
    name = described(f"list separated by {listed.separator!r}", listed.tolerated)
    if class_index is not None:
        first, records = _checked_by_folder(path, videos, class_index)
        return f"{name}, classes counted from {first}", records
    template_labels = find_class_file(folders, TEMPLATE_LABELS)
    if template_labels is not None:
        return name, _numbered(videos, read_template_labels(template_labels))
    _refuse_shifted(path, videos)
    return name, RecognitionRecords([video.video for video in videos], [video.label for video in videos])


def _read_unlabelled(path: Path, lines: list[Line], class_index: Path | None) -> tuple[str, RecognitionRecords]:
    names, tolerated = read_unlabelled(lines)
    first = PureWindowsPath(names[0].text)  # parts a path at both kinds of separators
    is_video = strip_suffix(first.name) != first.name or _UCF_NAME.fullmatch(first.name)
    if not first.parent.name or (class_index is None and not is_video):
        raise _unknown(path, lines[0].text)
    if class_index is None:
        raise FileNotFoundError(f"{path} has no labels: {CLASS_INDEX}, which numbers the classes, must lie beside it")
    records = _by_folder(names, class_index)
    if any(strip_suffix(video) == video for video in records.videos):
        tolerated.append("names without a suffix")
    return described("UCF101 test list", tolerated), records


def _numbered(lines: list[LabelledVideo], class_names: list[str]) -> RecognitionRecords:
    for line in lines:
        if line.label >= len(class_names):
            raise ValueError(
                f"{line.place}: label {line.label} of {shown(line.video)} is too large for {len(class_names)} classes "
                "counted from 0"
            )
    return RecognitionRecords([line.video for line in lines], [line.label for line in lines], class_names)


def _by_folder(names: list[Line], class_index: Path) -> RecognitionRecords:
    class_names = read_class_index(class_index)
    label_of = _labels_by_name(class_names)
    records = RecognitionRecords([], [], class_names)
    for place, video in names:
        label = label_of.get(PureWindowsPath(video).parent.name.lower())
        if label is None or separator_of(video) is not None:
            raise ValueError(f"{place}: expected '<class>/<video>' with a class of {class_index}, found {shown(video)}")
        records.videos.append(video)
        records.labels.append(label)
    return records


def _refuse_shifted(path: Path, lines: list[LabelledVideo]) -> None:
    """Numbers from 1 read as numbers from 0 would give an accuracy near zero and no error."""
    if min(line.label for line in lines) == 1:
        raise ValueError(
            f"{path}: labels start at 1, but classes are counted from 0; an official list of UCF101 is told by folders "
            f"named as in {CLASS_INDEX}, which must lie beside it"
        )


def _checked_by_folder(path: Path, lines: list[LabelledVideo], class_index: Path) -> tuple[int, RecognitionRecords]:
    """The number from which the list counts, and its records; every label must fit the class that the path tells."""
    class_names = read_class_index(class_index)
    label_of = _labels_by_name(class_names)
    told = [(line, label) for line in lines if (label := _label_by_path(line.video, label_of)) is not None]
    if not told:
        _refuse_shifted(path, lines)
    from_0, from_1 = ([(line, label) for line, label in told if line.label - first != label] for first in (0, 1))
    first, wrong = (1, from_1) if len(from_1) < len(from_0) else (0, from_0)
    if wrong:
        line, label = wrong[0]
        raise ValueError(
            f"{line.place}: label {line.label} of {shown(line.video)} contradicts its class {class_names[label]}, "
            f"number {label + 1} in {class_index} ({len(wrong)} of {len(told)} lines do)"
        )
    return first, _numbered([line._replace(label=line.label - first) for line in lines], class_names)


def _labels_by_name(class_names: Iterable[str]) -> dict[str, int]:
    """In lower case: files of the class HandstandPushups are named HandStandPushups."""
    return {name.lower(): label for label, name in enumerate(class_names)}


def _label_by_path(video: str, label_of: dict[str, int]) -> int | None:
    """The class that the folder of a video names, or else its own name; None if neither does."""
    path = PureWindowsPath(video)  # parts a path at both kinds of separators
    named = _UCF_NAME.fullmatch(strip_suffix(path.name))
    by_name = label_of.get(named[1].lower()) if named else None
    return label_of.get(path.parent.name.lower(), by_name)


def _read_json(path: Path, folders: Sequence[Path]) -> tuple[str, RecognitionRecords]:
    content = read_json(path)
    if not isinstance(content, list):
        raise _unknown(path, f"an object with the keys {shown_names(content)}")
    if not content:
        raise ValueError(f"{path} holds no record: it is empty")
    if not any(isinstance(record, dict) and "template" in record for record in content):
        raise ValueError(
            f"{path} has no labels: the test part of SSv2 is published without them, results are reported on validation"
        )
    labels_file = find_class_file(folders, TEMPLATE_LABELS)
    if labels_file is None:
        raise FileNotFoundError(
            f"{path}: {' or '.join(TEMPLATE_LABELS)}, which numbers the classes, must lie beside it"
        )
    class_names = read_template_labels(labels_file)
    label_of = {name: label for label, name in enumerate(class_names)}
    records = RecognitionRecords([], [], class_names)
    for number, record in enumerate(content, start=1):
        place = f"{path}, record {number} of {len(content)}"
        records.videos.append(_text(place, record, "id"))
        template = _text(place, record, "template").replace("[", "").replace("]", "")
        if template not in label_of:
            raise ValueError(f"{place}: template {shown(template)} is no class of {labels_file}")
        records.labels.append(label_of[template])
    return described("SSv2 JSON", tolerated_paths(records.videos)), records


def _text(place: str, record: Any, key: str) -> str:
    value = record.get(key) if isinstance(record, dict) else None
    if not (isinstance(value, int) or is_text(value)) or not str(value).strip():
        raise ValueError(f"{place}: expected an object with 'id' and 'template', found {shown(record)}")
    return str(value)
