"""LSMDC: clips of films, one sentence each."""

from typing import ClassVar

from datamodules.retrieval import RetrievalDataModule


class LSMDC(RetrievalDataModule):
    """LSMDC, tested on the 1,000 clips of its challenge, with the original rows or the annotation of UMT."""

    annotation_names: ClassVar = (
        "lsmdc_ret_test_1000.json",
        "LSMDC16_challenge_1000_publictect.csv",  # misspelt in the release
        "LSMDC16_challenge_1000_publictest.csv",
    )
    test_videos: ClassVar = 1000
