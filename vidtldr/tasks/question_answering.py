"""Video question answering: encode videos, answer the questions of each; and the fine-tuning that goes with it."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from datamodules.contract import QuestionData
from datamodules.loading.batches import ClipBatch, QuestionBatch
from vidtldr.errors import UserError
from vidtldr.metrics import AnswerAccuracy
from vidtldr.models.checkpoint import Choice, Source, find_checkpoint
from vidtldr.models.umt import UMTVQA, load_umt_vqa
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.storage.batch_store import BatchOutput
from vidtldr.tasks.base import Outcome
from vidtldr.tasks.passes import Outputs, Pass, Scores
from vidtldr.tasks.umt import UMTTask, umt_sizes, umt_tokenizer

_SCORES = ScoreTable({"accuracy": "accuracy", "oov": "OOV"}, compared="accuracy", group="accuracy", title="accuracy")
_BY_WORD = "first_"
"""What the names of the accuracies by first word begin with."""


class VideoQuestionAnswering(UMTTask[QuestionData, QuestionBatch]):
    """UMT on open-ended video question answering.

    Args:
        checkpoint: Weights: a published UMT file for question answering, or one exported by this project. None starts
            from random weights.
        weights: ``ema`` takes the averaged weights of a checkpoint that holds them beside the plain ones.
        checkpoint_frames: Frames of a clip in the checkpoint's training, where it does not tell itself; the position
            table is stretched if they are not ``num_frames``.
        checkpoint_image_size: Height and width of a frame in its training, likewise.
        new_decoder: Make the answer decoder of the checkpoint's fusion layers, to fine-tune a pre-training or retrieval
            file.
        max_question_length: Longest question in tokens; the rest is cut off.
        max_answer_length: Longest answer in tokens, ``[CLS]`` and ``[SEP]`` included; the rest is cut off.
        k_test: Answers that are ranked as a whole, chosen by their first word piece.
        first_words: First words of questions that get an accuracy of their own; none for no such table.
    """

    score_note = (
        "accuracy in percent of all questions, by exact equality of the answer; OOV = questions whose answer is not in "
        "the list, which count as wrong; GFLOPs = vision encoder, one clip"
    )
    passes = (Pass("answers", "watch videos and answer"),)
    model: UMTVQA
    monitor = "val_accuracy"

    def __init__(
        self,
        backbone: str = "umt_b",
        size: dict[str, Any] | None = None,
        num_frames: int = 12,
        image_size: int = 224,
        checkpoint: str | None = None,
        weights: Choice = "plain",
        checkpoint_frames: int | None = None,
        checkpoint_image_size: int | None = None,
        new_decoder: bool = False,
        tokenizer: str = "bert-base-uncased",
        max_question_length: int = 25,
        max_answer_length: int = 5,
        k_test: int = 128,
        first_words: tuple[str, ...] = ("what", "who", "how", "when", "where"),
        learning_rate: float = 2e-5,
        weight_decay: float = 0.02,
        warmup_steps: int = 500,
        drop_path: float = 0.1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, warmup_steps=warmup_steps)
        self.num_frames, self.image_size = num_frames, image_size
        if k_test < 1 or max_answer_length < 2:
            raise UserError(f"k_test={k_test} must be at least 1 and max_answer_length={max_answer_length} at least 2")
        max_lengths = {"max_question_length": max_question_length, "max_answer_length": max_answer_length}
        sizes = umt_sizes(backbone, size, **max_lengths)
        self.model = UMTVQA(sizes, num_frames=num_frames, image_size=image_size, drop_path=drop_path, dropout=dropout)
        found = (
            None
            if checkpoint is None
            else find_checkpoint(checkpoint, weights, num_frames=checkpoint_frames, image_size=checkpoint_image_size)
        )
        self._start_from(found, new_decoder=new_decoder)
        self.tokenizer = umt_tokenizer(tokenizer, sizes, max_question_length)
        self.max_answer_length, self.k_test, self.first_words = max_answer_length, k_test, tuple(first_words)
        self._answer_pieces: tuple[Tensor, Tensor] | None = None

    @property
    def score_tables(self) -> tuple[ScoreTable, ...]:
        """All questions, and by their first word."""
        return (_SCORES, *_word_table(self.first_words))

    def load_weights(self, path: Source, *, new_decoder: bool = False) -> list[str]:
        """Load a checkpoint; with ``new_decoder``, the answer decoder from its fusion layers."""
        return load_umt_vqa(self.model, path, new_decoder=new_decoder)

    # Evaluation.

    def on_test_epoch_start(self) -> None:
        """Split the answers into word pieces."""
        self._answer_pieces = self._tokenize_answers(self.data.answers)

    on_validation_epoch_start = on_test_epoch_start

    def test_step(self, batch: QuestionBatch, batch_idx: int, dataloader_idx: int = 0) -> Outcome:
        """Encode a batch of videos; their questions wait, so that a step takes as long as the encoder does."""
        if not len(batch.index):  # every video of the batch was broken
            return None
        return {"tokens": self.model.encode_video(self.model.normalize(batch.clips))}

    def output(
        self, batch: QuestionBatch, outcome: Outcome, dataloader_idx: int
    ) -> tuple[Mapping[str, Tensor], Mapping[str, object]]:
        """Answer the questions of the videos that were encoded, and keep the answers' positions in the list."""
        found: list[int] = []
        if outcome is not None:
            for video, questions in zip(outcome["tokens"], batch.questions, strict=True):
                found += self._answer(video, questions) if questions else []
        groups = zip(batch.index.tolist(), batch.question_ids, batch.questions, batch.answers)
        asked = [
            {"video": self.data.records.videos[video], "id": number, "question": question, "answer": answer}
            for video, *group in groups
            for number, question, answer in zip(*group, strict=True)
        ]
        return {"found": torch.tensor(found, dtype=torch.int64)}, {"asked": asked}

    def score(self, outputs: Outputs) -> Scores:
        """``accuracy``, ``oov`` and accuracies by first word, such as ``first_what``."""
        accuracy = AnswerAccuracy(self.data.answers, self.first_words, sync_on_compute=False)
        rows = self._samples(outputs["answers"])
        accuracy.update(*([row[key] for row in rows] for key in ("prediction", "answer", "question")))
        if not bool(accuracy.questions.any()):
            raise UserError("nothing is left to evaluate: no readable video has a question")
        metrics = {
            name if name in _SCORES.columns else _BY_WORD + name: value for name, value in accuracy.compute().items()
        }
        return Scores(metrics, lambda: rows)

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the accuracy; all questions about it count with it."""
        return contributions_of(samples, lambda sample: {0: sample["correct"]}, parts=1)

    def _samples(self, outputs: Sequence[BatchOutput]) -> list[Sample]:
        """One row for each question."""
        return [
            {**asked, "prediction": predicted, "correct": predicted == asked["answer"]}
            for output in outputs
            for asked, number in zip(output.notes["asked"], output["found"].tolist(), strict=True)
            for predicted in [self.data.answers[number]]
        ]

    def _answer(self, video: Tensor, questions: list[str]) -> list[int]:
        """Positions in the list of the answers to questions about one video, given its tokens ``[n, d]``."""
        assert self._answer_pieces is not None  # set as a test starts
        input_ids, mask = self.tokenize(questions)
        states = self.model.encode_questions(input_ids, mask, video.unsqueeze(0))
        ranked = self.model.text_decoder.rank(states, mask, *self._answer_pieces, k=self.k_test)
        if ranked.log_score.isnan().any():
            raise UserError("an answer has the score NaN: try --trainer.precision 32-true")
        return ranked.index[:, 0].tolist()

    def _tokenize_answers(self, answers: Sequence[str]) -> tuple[Tensor, Tensor]:
        return self.tokenize([f"{answer} [SEP]" for answer in answers], self.max_answer_length)

    # Fine-tuning.

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Negative log-likelihood of the answers: summed over word pieces, averaged over questions."""
        assert isinstance(batch, QuestionBatch)  # of its own data
        questions, answers = (list(chain.from_iterable(each)) for each in (batch.questions, batch.answers))
        input_ids, mask = self.tokenize(questions, pad_to_longest=True)
        tokens = self.model.encode_video(self.model.normalize(batch.clips))
        states = self.model.encode_questions(input_ids, mask, tokens)
        losses = self.model.text_decoder.answer_losses(states, mask, *self._tokenize_answers(answers))
        return {"answers": losses.mean()}


def _word_table(first_words: tuple[str, ...]) -> tuple[ScoreTable, ...]:
    if not first_words:
        return ()
    columns = {f"{_BY_WORD}{word}": f"{word} ..." for word in first_words} | {"accuracy": "all"}
    title = "accuracy by the first word of the question"
    return (ScoreTable(columns, "accuracy", "accuracy by first word", title, _BY_WORD),)
