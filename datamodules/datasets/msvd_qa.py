"""MSVD-QA: 13,157 test questions about 520 videos, another split than that of retrieval."""

from typing import ClassVar

from datamodules.datasets.msvd import MSVDNames
from datamodules.question_answering import QuestionAnsweringDataModule


class MSVDQA(MSVDNames, QuestionAnsweringDataModule):
    """MSVD-QA, from the annotation of UMT or the original one, whose numbers need ``youtube_mapping.txt``."""

    annotation_names: ClassVar = ("msvd_qa_test.json", "test_qa.json")
    train_names: ClassVar = ("msvd_qa_train.json", "train_qa.json")
    answer_list_names: ClassVar = ("msvd_qa_answer_list.json",)
    video_name: ClassVar = "vid{}"  # counted from 1
    test_questions: ClassVar[int | None] = 13157
