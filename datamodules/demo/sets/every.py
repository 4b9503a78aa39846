"""All generated sets, by the names that the command line knows."""

from collections.abc import Mapping

from datamodules.demo.sets.base2novel import BASE_TO_NOVEL
from datamodules.demo.sets.production import VideoSet
from datamodules.demo.sets.questions import QUESTIONS
from datamodules.demo.sets.recognition import RECOGNITION
from datamodules.demo.sets.retrieval import RETRIEVAL

SETS: Mapping[str, VideoSet] = {
    "retrieval": RETRIEVAL,
    "vqa": QUESTIONS,
    "recognition": RECOGNITION,
    "base2novel": BASE_TO_NOVEL,
}
