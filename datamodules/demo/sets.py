"""All generated sets, by the names that the command line knows."""

from collections.abc import Mapping

from datamodules.demo.base2novel_set import BASE_TO_NOVEL
from datamodules.demo.generate import RETRIEVAL
from datamodules.demo.production import VideoSet
from datamodules.demo.question_set import QUESTIONS
from datamodules.demo.recognition_set import RECOGNITION

SETS: Mapping[str, VideoSet] = {
    "retrieval": RETRIEVAL,
    "vqa": QUESTIONS,
    "recognition": RECOGNITION,
    "base2novel": BASE_TO_NOVEL,
}
