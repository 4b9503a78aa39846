"""MSR-VTT, the 1k-A test: 1,000 videos of one caption each; and MSRVTT-QA: 72,821 questions about 2,990 videos."""

from collections.abc import Iterable
from typing import ClassVar

from datamodules.base import VideoDataModule
from datamodules.question_answering import QuestionAnsweringDataModule
from datamodules.retrieval import RetrievalDataModule


class MSRVTTNames(VideoDataModule):
    """What the videos of MSR-VTT are called."""

    def video_aliases(self, stem: str) -> Iterable[str]:
        """``videoN`` may lie on disk as ``N``, and the other way round."""
        number = stem.removeprefix("video")
        if number.isdecimal():
            yield number if stem != number else f"video{number}"


class MSRVTT(MSRVTTNames, RetrievalDataModule):
    """MSR-VTT with the 1k-A ("JSFusion") test, from the annotation of UMT or the original CSV."""

    annotation_names: ClassVar = ("msrvtt_ret_test1k.json", "MSRVTT_JSFUSION_test.csv")
    video_folders: ClassVar = ("videos/all", "videos", "TrainValVideo", "")
    test_videos: ClassVar = 1000


class MSRVTTQA(MSRVTTNames, QuestionAnsweringDataModule):
    """MSRVTT-QA, from the annotation of UMT or the original one."""

    annotation_names: ClassVar = ("msrvtt_qa_test.json", "test_qa.json")
    train_names: ClassVar = ("msrvtt_qa_train.json", "train_qa.json")
    answer_list_names: ClassVar = ("msrvtt_qa_answer_list.json",)
    # The two folders of the original release, TrainValVideo and TestVideo, are found below the root.
    video_folders: ClassVar = ("videos/all", "videos", "")
    test_questions: ClassVar[int | None] = 72821
