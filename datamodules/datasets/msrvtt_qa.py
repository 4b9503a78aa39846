"""MSRVTT-QA: 72,821 test questions about 2,990 videos."""

from typing import ClassVar

from datamodules.datasets.msrvtt import MSRVTTNames
from datamodules.question_answering import QuestionAnsweringDataModule


class MSRVTTQA(MSRVTTNames, QuestionAnsweringDataModule):
    """MSRVTT-QA, from the annotation of UMT or the original one."""

    annotation_names: ClassVar = ("msrvtt_qa_test.json", "test_qa.json")
    train_names: ClassVar = ("msrvtt_qa_train.json", "train_qa.json")
    answer_list_names: ClassVar = ("msrvtt_qa_answer_list.json",)
    # The two folders of the original release, TrainValVideo and TestVideo, are found below the root.
    video_folders: ClassVar = ("videos/all", "videos", "")
    test_questions: ClassVar[int | None] = 72821
