"""One file a format; the first that recognises the records of a file reads it."""

from datamodules.annotations.question_formats.format import QuestionFormat
from datamodules.annotations.question_formats.original import OriginalJSON
from datamodules.annotations.question_formats.umt import UMTQuestions

__all__ = ["FORMATS", "QuestionFormat"]

FORMATS: list[QuestionFormat] = [OriginalJSON(), UMTQuestions()]  # the last takes all other lists
