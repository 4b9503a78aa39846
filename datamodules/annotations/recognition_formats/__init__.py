"""One file a format; the first that recognises a file reads it."""

from datamodules.annotations.recognition_formats.class_folders import ClassFolders
from datamodules.annotations.recognition_formats.format import RecognitionFormat
from datamodules.annotations.recognition_formats.kinetics import KineticsCSV
from datamodules.annotations.recognition_formats.labelled_lines import LabelledLines
from datamodules.annotations.recognition_formats.ssv2 import SSv2JSON

__all__ = ["FORMATS", "RecognitionFormat"]

FORMATS: list[RecognitionFormat] = [ClassFolders(), KineticsCSV(), LabelledLines(), SSv2JSON()]
