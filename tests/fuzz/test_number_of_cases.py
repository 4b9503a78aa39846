"""How many damaged and hostile files the fuzz tests try."""

from pathlib import Path

from tests.fuzz import test_fuzz_annotations, test_fuzz_checkpoints, test_fuzz_videos
from tests.fuzz.annotation_formats import FORMATS
from tests.fuzz.payloads import payloads

NUM_KINDS = 15  # of checkpoint files, 8 of which are built of entries
NUM_HOSTILE = 9  # files of each payload


def test_there_are_two_thousand_cases() -> None:
    videos = len(test_fuzz_videos.CONTAINERS) * test_fuzz_videos.NUM_CASES
    annotations = len(FORMATS) * test_fuzz_annotations.NUM_CASES
    checkpoints = NUM_KINDS * test_fuzz_checkpoints.NUM_DAMAGED + 8 * test_fuzz_checkpoints.NUM_SWAPPED
    hostile = len(payloads(Path("marker"))) * NUM_HOSTILE
    assert videos >= 900
    assert annotations >= 700
    assert checkpoints + hostile >= 600
    assert videos + annotations + checkpoints + hostile >= 2000
