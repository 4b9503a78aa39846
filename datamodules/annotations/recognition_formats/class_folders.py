"""Lists of videos without numbers, whose folders name their classes: UCF101's of the test."""

from pathlib import Path, PureWindowsPath
from typing import ClassVar

from datamodules.annotations.class_files import CLASS_INDEX, find_class_names, folded, labels_by_name
from datamodules.annotations.content import Content
from datamodules.annotations.foreign_paths import described
from datamodules.annotations.recognition_formats.format import RecognitionFormat
from datamodules.annotations.recognition_formats.labelled_lines import labelled
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import shown
from datamodules.annotations.video_files import strip_suffix
from datamodules.annotations.video_lists import UCF_NAME, Line, filled_lines, read_unlabelled, separator_of


class ClassFolders(RecognitionFormat):
    """Classes are numbered by ``classInd.txt``, or by the data set's own file of class names."""

    shapes: ClassVar = ("UCF101 test list (lines <class>/<video>, with classInd.txt)",)

    def recognises(self, content: Content) -> bool:
        """By a first line with a folder; that its name is one of a video counts where classes have no numbering."""
        if content.is_json or labelled(content) is not None:
            return False
        names, _ = _listed(content)
        first = PureWindowsPath(names[0].text)  # parts a path at both kinds of separators
        is_video = strip_suffix(first.name) != first.name or UCF_NAME.fullmatch(first.name)
        return bool(first.parent.name) and (_numbering(content) is not None or bool(is_video))

    def read(self, content: Content) -> tuple[str, RecognitionRecords]:
        """Names may lack their suffixes."""
        names, tolerated = _listed(content)
        numbering = _numbering(content)
        if numbering is None:
            wanted = " or ".join((CLASS_INDEX, *content.class_files[:1]))
            raise FileNotFoundError(
                f"{content.path} has no labels: {wanted}, which numbers the classes, must lie beside it"
            )
        records = _by_folder(names, *numbering)
        if any(strip_suffix(video) == video for video in records.videos):
            tolerated = [*tolerated, "names without a suffix"]
        return described("UCF101 test list", tolerated), records


def _listed(content: Content) -> tuple[list[Line], list[str]]:
    return read_unlabelled(filled_lines(content.path, content.text))


def _numbering(content: Content) -> tuple[Path, list[str]] | None:
    return find_class_names(content.folders, (CLASS_INDEX, *content.class_files))


def _by_folder(names: list[Line], class_index: Path, class_names: list[str]) -> RecognitionRecords:
    label_of = labels_by_name(class_names)
    records = RecognitionRecords([], [], class_names)
    for place, video in names:
        label = label_of.get(folded(PureWindowsPath(video).parent.name))
        if label is None or separator_of(video) is not None:
            raise ValueError(f"{place}: expected '<class>/<video>' with a class of {class_index}, found {shown(video)}")
        records.videos.append(video)
        records.labels.append(label)
    return records
