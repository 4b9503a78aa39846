"""Something-Something V2 in the files of its release."""

from typing import Any, ClassVar

from datamodules.annotations.class_files import TEMPLATE_LABELS, find_class_file, read_template_labels
from datamodules.annotations.content import Content
from datamodules.annotations.foreign_paths import described, tolerated_paths
from datamodules.annotations.recognition_formats.format import RecognitionFormat
from datamodules.annotations.records import RecognitionRecords
from datamodules.annotations.text_files import is_text, shown


class SSv2JSON(RecognitionFormat):
    """A class is told by its template."""

    shapes: ClassVar = ('SSv2 JSON (a list of objects with "id" and "template", with labels.json)',)

    def recognises(self, content: Content) -> bool:
        """Any JSON list."""
        return isinstance(content.json, list)

    def read(self, content: Content) -> tuple[str, RecognitionRecords]:
        """Videos by their id, classes in the order of ``labels.json``."""
        path, listed = content.path, content.json
        if not listed:
            raise ValueError(f"{path} holds no record: it is empty")
        if not any(isinstance(record, dict) and "template" in record for record in listed):
            raise ValueError(
                f"{path} has no labels: the test part of SSv2 is published without them, results are reported on "
                "validation"
            )
        labels_file = find_class_file(content.folders, TEMPLATE_LABELS)
        if labels_file is None:
            raise FileNotFoundError(
                f"{path}: {' or '.join(TEMPLATE_LABELS)}, which numbers the classes, must lie beside it"
            )
        class_names = read_template_labels(labels_file)
        label_of = {name: label for label, name in enumerate(class_names)}
        records = RecognitionRecords([], [], class_names)
        for number, record in enumerate(listed, start=1):
            place = f"{path}, record {number} of {len(listed)}"
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
