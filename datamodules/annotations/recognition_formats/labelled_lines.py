"""Lists of a video and its class number a line: those of VideoMAE, MMAction and ViFi-CLIP, UCF101's of training."""

from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import ClassVar

from datamodules.annotations.class_files import (
    CLASS_INDEX,
    TEMPLATE_LABELS,
    find_class_file,
    find_class_names,
    folded,
    labels_by_name,
    read_template_labels,
)
from datamodules.annotations.content import Content
from datamodules.annotations.foreign_paths import described
from datamodules.annotations.recognition_formats.format import RecognitionFormat
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import shown
from datamodules.annotations.video_files import strip_suffix
from datamodules.annotations.video_lists import UCF_NAME, LabelledVideo, VideoList, filled_lines, read_labelled


class LabelledLines(RecognitionFormat):
    """Classes are counted from 0, or as the folders of the videos tell where a file of the class names lies beside."""

    shapes: ClassVar = (
        "UCF101 training list (lines <class>/<video> <class number from 1>, with classInd.txt)",
        "list (lines <video><separator><class number from 0>, the separator a space, a comma, a semicolon or a tab, "
        "with or without quotes, a header line or an index with a header)",
    )

    def recognises(self, content: Content) -> bool:
        """By lines that end in a number."""
        return not content.is_json and labelled(content) is not None

    def read(self, content: Content) -> tuple[str, RecognitionRecords]:
        """Every label must fit the class that the path of its video tells, if it tells any."""
        listed = labelled(content)
        assert listed is not None  # recognised
        videos, name = listed.videos, described(f"list separated by {listed.separator!r}", listed.tolerated)
        numbering = find_class_names(content.folders, (CLASS_INDEX, *content.class_files))
        if numbering is not None:
            first, records = _checked_by_folder(content.path, videos, *numbering)
            return f"{name}, classes counted from {first}", records
        template_labels = find_class_file(content.folders, TEMPLATE_LABELS)
        if template_labels is not None:
            return name, numbered(videos, read_template_labels(template_labels))
        _refuse_shifted(content.path, videos)
        return name, RecognitionRecords([video.video for video in videos], [video.label for video in videos])


def labelled(content: Content) -> VideoList | None:
    """The videos of a list and their class numbers; None if its lines do not end in one."""
    return read_labelled(content.path, filled_lines(content.path, content.text))


def numbered(lines: Sequence[LabelledVideo], class_names: list[str]) -> RecognitionRecords:
    """Records of a list whose numbers, from 0, refer to these names.

    Raises:
        ValueError: A number has no name.
    """
    for line in lines:
        if line.label >= len(class_names):
            raise ValueError(
                f"{line.place}: label {line.label} of {shown(line.video)} is too large for {len(class_names)} classes "
                "counted from 0"
            )
    return RecognitionRecords([line.video for line in lines], [line.label for line in lines], class_names)


def _refuse_shifted(path: Path, lines: list[LabelledVideo]) -> None:
    """Numbers from 1 read as numbers from 0 would give an accuracy near zero and no error."""
    if min(line.label for line in lines) == 1:
        raise ValueError(
            f"{path}: labels start at 1, but classes are counted from 0; an official list of UCF101 is told by folders "
            f"named as in {CLASS_INDEX}, which must lie beside it"
        )


def _checked_by_folder(
    path: Path, lines: list[LabelledVideo], class_index: Path, class_names: list[str]
) -> tuple[int, RecognitionRecords]:
    """The number from which the list counts, and its records; every label must fit the class that the path tells."""
    label_of = labels_by_name(class_names)
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
    return first, numbered([line._replace(label=line.label - first) for line in lines], class_names)


def _label_by_path(video: str, label_of: dict[str, int]) -> int | None:
    """The class that the folder of a video names, or else its own name; None if neither does."""
    path = PureWindowsPath(video)  # parts a path at both kinds of separators
    named = UCF_NAME.fullmatch(strip_suffix(path.name))
    by_name = label_of.get(folded(named[1])) if named else None
    return label_of.get(folded(path.parent.name), by_name)
