"""Numbers for classes that an annotation names and does not number."""

from collections.abc import Iterable

from datamodules.annotations.class_files import CLASS_INDEX, find_class_names, folded, labels_by_name
from datamodules.annotations.content import Content
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import shown


def numbered_by_name(
    content: Content, videos: list[str], classes: list[str], all_names: Iterable[str]
) -> RecognitionRecords:
    """Records of videos whose classes are named.

    The file of class names numbers them. Where there is none, the alphabet does, as in the lists that circulate, but
    only if every class of the data set is there: of some of them it would give other numbers, and a wrong accuracy.

    Args:
        content: The annotation.
        videos: Names of the videos.
        classes: Name of the class of each.
        all_names: Names of all classes that the annotation knows, those of other parts too.

    Raises:
        FileNotFoundError: There is no such file, and not every class is there.
        ValueError: A class is not in the file.
    """
    numbering = find_class_names(content.folders, (CLASS_INDEX, *content.class_files))
    if numbering is None:
        names = sorted({folded(name) for name in all_names})
        if len(names) != content.num_classes:
            wanted = " or ".join(content.class_files or [CLASS_INDEX])
            raise FileNotFoundError(
                f"{content.path} names {len(names)} classes"
                + (f" of {content.num_classes}" if content.num_classes else "")
                + f", and which numbers they have is told by no file: {wanted} must lie beside it"
            )
        source = "the alphabet"
    else:
        source, names = str(numbering[0]), numbering[1]
    label_of = labels_by_name(names)
    unknown = next((name for name in classes if folded(name) not in label_of), None)
    if unknown is not None:
        raise ValueError(f"{content.path}: class {shown(unknown)} is none of the {len(names)} classes of {source}")
    return RecognitionRecords(videos, [label_of[folded(name)] for name in classes], names)
