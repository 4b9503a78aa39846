"""Question answering data: annotation, list of answers and video folder in, batches of clips with questions out."""

import logging
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from datamodules.annotations.question_files import read_answer_list, read_questions
from datamodules.annotations.question_records import QuestionRecords, most_frequent_answers
from datamodules.base import VideoDataModule, check_positive, once_set_up
from datamodules.loading.guarded_loader import GuardedLoader
from datamodules.loading.question_datasets import QuestionDataset, TrainingQuestionDataset, collate_questions
from datamodules.loading.sharding import Sharing

__all__ = ["QuestionAnsweringDataModule"]

logger = logging.getLogger(__name__)

_LONGEST_LIST = 1500  # answers of a list made from training answers, as in MSRVTT-QA's


class QuestionAnsweringDataModule(VideoDataModule):
    """Videos, questions about them, and the list that answers are chosen from.

    An item is a video with all its questions, so that it is decoded and encoded once. Questions about a missing or
    broken video are not scored, and counted.

    Args:
        answer_list: JSON list of answers, a path or a file name in the folder of the dataset; found by itself if not
            given, and made from the answers of the training annotation if there is none.
        questions_per_clip: Questions about a video in one training step.
        **options: Options of :class:`~datamodules.base.VideoDataModule`.
    """

    train_names: ClassVar[tuple[str, ...]] = ()
    """File names under which the training annotation is looked for, the preferred one first."""
    answer_list_names: ClassVar[tuple[str, ...]] = ()
    """File names under which the list of answers is looked for."""
    video_name: ClassVar[str] = "video{}"
    """Name of a video that the original annotation gives as a number."""
    test_questions: ClassVar[int | None] = None
    """Questions in the published test; another number is warned about."""

    def __init__(
        self,
        root: str,
        num_frames: int = 12,
        answer_list: str | None = None,
        questions_per_clip: int = 1,
        **options: Any,
    ):
        super().__init__(root, num_frames=num_frames, **options)
        check_positive(questions_per_clip=questions_per_clip)
        self.answer_list, self.questions_per_clip = answer_list, questions_per_clip
        self.answers: list[str] = []
        """The list of answers, there once an evaluation is set up."""
        self._records: QuestionRecords | None = None
        self._num_asked = 0
        self._train_set: TrainingQuestionDataset | None = None

    @property
    def records(self) -> QuestionRecords:
        """What is evaluated: videos that have a file, and the questions about them."""
        return once_set_up(self._records)

    def counts(self) -> dict[str, int]:
        """``questions`` scored, ``answers`` to choose from, ``questions left out`` if any; complete after a pass."""
        questions = self.records.questions
        broken = {position for _, position in self._broken}
        scored = sum(len(group) for position, group in enumerate(questions) if position not in broken)
        left_out = self._num_asked - scored
        counts = {"questions": scored, "answers": len(self.answers)}
        return counts | ({"questions left out": left_out} if left_out else {})

    def setup(self, stage: str) -> None:
        """Read the annotation and the list of answers, and find the file of each video.

        Raises:
            FileNotFoundError: A folder, an annotation or, with ``missing="error"``, a video is not there.
            ValueError: A file cannot be read, a video name is ambiguous or leads out of the data root, or the list of
                answers would be made from the answers that are to be found.
        """
        if stage == "fit":
            self._train_set = self._training_set()
        if stage == "test":
            annotation = self._annotation_file("annotation", self.annotation_names)
            self._set_up_questions(annotation, expected=self.test_questions)
        elif stage == "validate" or self.val_annotation:
            self._set_up_questions(self._given("val_annotation"))

    def read_records(self, annotation: Path) -> QuestionRecords:
        """Read an annotation; a data set with a format of its own overrides this."""
        return read_questions(annotation, self.video_name)

    def train_dataloader(self) -> GuardedLoader:
        """Batches of random clips with some questions each, shuffled."""
        if self._train_set is None:
            raise RuntimeError('setup("fit") has not run')
        return self._train_loader(self._train_set, collate_questions)

    def val_dataloader(self) -> GuardedLoader | list[GuardedLoader]:
        """As in a test, of the validation annotation; no loader if there is none."""
        return self.test_dataloader() if self.val_annotation else []

    def evaluation_loaders(self, sharing: Sharing) -> list[GuardedLoader]:
        """The loader of a test, of a process's part."""
        questions = self.records.questions
        dataset = partial(QuestionDataset, self._paths[0], questions, self.num_frames, self.image_size, self.decoder)
        return [self._clip_loader(dataset, sharing, collate=collate_questions)]

    def test_dataloader(self) -> GuardedLoader:
        """Batches of clips with all questions about each."""
        return self.evaluation_loaders(self._own_part())[0]

    def _set_up_questions(self, annotation: Path, expected: int | None = None) -> None:
        records = self.read_records(annotation)
        if expected not in (None, records.num_questions):
            logger.warning("%s has %d questions, the published test %d", annotation, records.num_questions, expected)
        self.answers = self._read_answers(annotation)
        self._num_asked = sum(len(records.questions[position]) for position in self._positions(len(records.questions)))
        (self._records,) = self._set_up_evaluation([records])

    def _training_set(self) -> TrainingQuestionDataset:
        records = self.read_records(self._annotation_file("train_annotation", self.train_names))
        found = self._find_training_videos(records.videos[: self.limit])
        return TrainingQuestionDataset(
            list(found.values()),
            records.keep(found).questions,
            self.num_frames,
            self.image_size,
            self.crop_scale,
            self.questions_per_clip,
            self._cache_dir(),
            self.decoder,
        )

    def _read_answers(self, evaluated: Path) -> list[str]:
        """The list of answers that is given or found, or else the most frequent training answers."""
        if self.answer_list is not None:
            return read_answer_list(self._given("answer_list"))
        try:
            path = self._find_file(self.answer_list_names)
        except FileNotFoundError:
            return self._training_answers(evaluated)
        return read_answer_list(path)

    def _training_answers(self, evaluated: Path) -> list[str]:
        absent = f"no list of answers in {self.root}: looked for {', '.join(self.answer_list_names)}"
        try:
            training = self._annotation_file("train_annotation", self.train_names)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{absent}, and to make one for training answers ({error})") from error
        if training.samefile(evaluated):
            raise ValueError(f"{absent}; it is not made from {evaluated}, whose answers are to be found")
        answers = most_frequent_answers(self.read_records(training).questions, _LONGEST_LIST)
        logger.warning(
            "%s; it was made of the %d most frequent answers of %s, which is not the published protocol",
            absent,
            len(answers),
            training,
        )
        return answers
