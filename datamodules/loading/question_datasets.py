"""Videos with the questions about them, and how they become batches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from datamodules.annotations.question_records import Question
from datamodules.annotations.text import pre_text
from datamodules.clips.cache import ClipCache
from datamodules.clips.decoder import Decoder
from datamodules.clips.training_frames import SegmentFrames
from datamodules.loading.batches import QuestionBatch
from datamodules.loading.clip_datasets import ClipDataset, Item, RandomClipDataset, collate_clips
from datamodules.loading.sharding import batch_facts


@dataclass(frozen=True)
class QuestionItem(Item):
    """One video with its questions, as a worker hands it over."""

    questions: tuple[Question, ...] = ()


class QuestionDataset(ClipDataset):
    """Videos as clips for evaluation, each with all its questions.

    All arguments but these are those of :class:`~datamodules.loading.clip_datasets.ClipDataset`.

    Args:
        questions: Questions of each video.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        questions: Sequence[list[Question]],
        num_frames: int,
        image_size: int,
        decoder: Decoder = "auto",
        kept: ClipCache | None = None,
    ):
        super().__init__(paths, num_frames, image_size, decoder=decoder, kept=kept)
        self.questions = _cleaned(questions)

    def item(self, index: int, clip: Tensor | None) -> QuestionItem:
        """A clip with all questions about it."""
        return QuestionItem(index, clip, questions=self.questions[index])


class TrainingQuestionDataset(RandomClipDataset):
    """Videos as clips for training, each with some of its questions, all chosen anew with torch's own generator.

    A question with several answers is given one of them, so that on average each weighs as much as it is named, as in
    UMT's loss.

    All arguments but these are those of :class:`~datamodules.loading.clip_datasets.RandomClipDataset`.

    Args:
        questions: Questions of each video, at least one.
        num_frames: Frames of a clip, one random frame of each equal segment.
        questions_per_clip: Questions of each video, repeated where it has fewer.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        questions: Sequence[list[Question]],
        num_frames: int,
        image_size: int,
        crop_scale: tuple[float, float],
        questions_per_clip: int = 1,
        cache_dir: Path | None = None,
        decoder: Decoder = "auto",
    ):
        super().__init__(paths, SegmentFrames(num_frames), image_size, crop_scale, cache_dir=cache_dir, decoder=decoder)
        self.questions = _cleaned(questions)
        self.questions_per_clip = questions_per_clip

    def item(self, index: int, clip: Tensor | None) -> QuestionItem:
        """A clip with some of the questions about it."""
        choices = self.questions[index]
        order = torch.randperm(len(choices)).tolist()
        drawn = [choices[order[n % len(order)]] for n in range(self.questions_per_clip)]
        return QuestionItem(index, clip, questions=tuple(map(_with_one_answer, drawn)))


def collate_questions(items: Sequence[QuestionItem], clip_shape: tuple[int, ...]) -> QuestionBatch:
    """Stack the clips that were read and list their questions.

    Args:
        items: Videos with their questions.
        clip_shape: As in :func:`~datamodules.loading.clip_datasets.collate_clips`.
    """
    read = [item.questions for item in items if item.clip is not None]
    clips = collate_clips(items, clip_shape)
    return QuestionBatch(
        clips=clips.clips,
        index=clips.index,
        broken=clips.broken,
        questions=[[question.text for question in questions] for questions in read],
        answers=[[question.answers[0] for question in questions] for questions in read],
        question_ids=[[question.question_id for question in questions] for questions in read],
        **batch_facts(items),
    )


def _cleaned(questions: Sequence[list[Question]]) -> list[tuple[Question, ...]]:
    """Questions cleaned as UMT does, their answers as they are."""
    return [tuple(replace(question, text=pre_text(question.text)) for question in group) for group in questions]


def _with_one_answer(question: Question) -> Question:
    if len(question.answers) == 1:
        return question
    drawn = int(torch.randint(len(question.answers), ()))
    return replace(question, answers=(question.answers[drawn],))
