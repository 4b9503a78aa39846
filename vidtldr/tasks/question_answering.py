"""Video question answering: encode videos, answer the questions of each; and the fine-tuning that goes with it."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from datamodules.contract import QuestionData
from datamodules.loading.batches import QuestionBatch
from vidtldr.errors import UserError
from vidtldr.metrics import AnswerAccuracy
from vidtldr.models.checkpoint import Choice, Source, find_checkpoint
from vidtldr.models.sizes import check_vocabulary
from vidtldr.models.umt import UMTVQA, UMTTokenizer, UMTVisionEncoder, load_umt_vqa, umt_size
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.results.score_tables import ScoreTable
from vidtldr.storage.batch_store import BatchOutput
from vidtldr.tasks.base import Outcome, Task
from vidtldr.tasks.fine_tuning.optimization import adamw_with_cosine, decay_groups, nothing_to_learn
from vidtldr.tasks.passes import Outputs, Pass, Scores

_SCORES = ScoreTable({"accuracy": "accuracy", "oov": "OOV"}, compared="accuracy", group="accuracy", title="accuracy")
_BY_WORD = "first_"
"""What the names of the accuracies by first word begin with."""


class VideoQuestionAnswering(Task[QuestionData, QuestionBatch]):
    """UMT on open-ended video question answering.

    Args:
        backbone: Published size: ``umt_b`` or ``umt_l``.
        size: Single sizes that differ from the published ones, such as ``{depth: 6}``.
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        checkpoint: Weights: a published UMT file for question answering, or one exported by this project. None starts
            from random weights.
        weights: ``ema`` takes the averaged weights of a checkpoint that holds them beside the plain ones.
        checkpoint_frames: Frames of a clip in the checkpoint's training, where it does not tell itself; the position
            table is stretched if they are not ``num_frames``.
        checkpoint_image_size: Height and width of a frame in its training, likewise.
        new_decoder: Make the answer decoder of the checkpoint's fusion layers, to fine-tune a pre-training or retrieval
            file.
        tokenizer: Vocabulary of the text encoder: a hub name, or a local vocab.txt or folder.
        max_question_length: Longest question in tokens; the rest is cut off.
        max_answer_length: Longest answer in tokens, ``[CLS]`` and ``[SEP]`` included; the rest is cut off.
        k_test: Answers that are ranked as a whole, chosen by their first word piece.
        first_words: First words of questions that get an accuracy of their own; none for no such table.
        learning_rate: Peak learning rate.
        weight_decay: AdamW's, on matrices only.
        warmup_steps: Steps over which the learning rate rises, before it falls along a cosine.
        drop_path: Stochastic depth of the vision encoder while training.
        dropout: Dropout of question encoder and answer decoder while training.
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
        super().__init__()
        self.save_hyperparameters()
        if k_test < 1 or max_answer_length < 2:
            raise UserError(f"k_test={k_test} must be at least 1 and max_answer_length={max_answer_length} at least 2")
        self.tokenizer = UMTTokenizer(tokenizer, max_length=max_question_length)
        sizes = umt_size(backbone, size)
        check_vocabulary(tokenizer, self.tokenizer.vocab_size, sizes.vocab_size)
        if max(max_question_length, max_answer_length) > sizes.max_positions:
            raise UserError(
                f"max_question_length={max_question_length} and max_answer_length={max_answer_length} must not exceed "
                f"the {sizes.max_positions} positions of the text encoder"
            )
        self.model = UMTVQA(sizes, num_frames=num_frames, image_size=image_size, drop_path=drop_path, dropout=dropout)
        found = (
            None
            if checkpoint is None
            else find_checkpoint(checkpoint, weights, num_frames=checkpoint_frames, image_size=checkpoint_image_size)
        )
        self._start_from(found, new_decoder=new_decoder)
        self.max_answer_length, self.k_test, self.first_words = max_answer_length, k_test, tuple(first_words)
        self.learning_rate, self.weight_decay, self.warmup_steps = learning_rate, weight_decay, warmup_steps
        self._answer_pieces: tuple[Tensor, Tensor] | None = None

    @property
    def score_tables(self) -> tuple[ScoreTable, ...]:
        """All questions, and by their first word."""
        return (_SCORES, *_word_table(self.first_words))

    @property
    def vision_encoder(self) -> UMTVisionEncoder:
        """The ViT that token merging is put on."""
        return self.model.vision_encoder

    def load_weights(self, path: Source, *, new_decoder: bool = False) -> list[str]:
        """Load a checkpoint; with ``new_decoder``, the answer decoder from its fusion layers."""
        return load_umt_vqa(self.model, path, new_decoder=new_decoder)

    # Evaluation.

    def on_test_epoch_start(self) -> None:
        """Split the answers into word pieces."""
        self._answer_pieces = self._tokenize_answers(self.data.answers)

    def on_validation_epoch_start(self) -> None:
        """As in a test."""
        self.on_test_epoch_start()

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
        asked = {
            "video": [index for index, group in zip(batch.index.tolist(), batch.questions) for _ in group],
            "questions": list(chain.from_iterable(batch.questions)),
            "answers": list(chain.from_iterable(batch.answers)),
            "question_ids": list(chain.from_iterable(batch.question_ids)),
        }
        return {"found": torch.tensor(found, dtype=torch.int64)}, asked

    def score(self, outputs: Outputs) -> Scores:
        """``accuracy``, ``oov`` and accuracies by first word, such as ``first_what``."""
        answers = self.data.answers
        accuracy = AnswerAccuracy(answers, self.first_words, sync_on_compute=False)
        for output in outputs["answers"]:
            found = [answers[number] for number in output["found"].tolist()]
            accuracy.update(found, output.notes["answers"], output.notes["questions"])
        if not bool(accuracy.questions.any()):
            raise UserError("nothing is left to evaluate: no readable video has a question")
        metrics = {
            name if name in _SCORES.columns else _BY_WORD + name: value for name, value in accuracy.compute().items()
        }
        return Scores(metrics, partial(self._samples, outputs["answers"]))

    @staticmethod
    def contributions(samples: Sequence[Sample]) -> Contributions:
        """What each video adds to the accuracy; all questions about it count with it."""
        return contributions_of(samples, lambda sample: {0: sample["correct"]}, parts=1)

    def _samples(self, outputs: Sequence[BatchOutput]) -> list[Sample]:
        """One row for each question."""
        videos, answers = self.data.records.videos, self.data.answers
        rows: list[Sample] = []
        for output in outputs:
            notes, found = output.notes, [answers[number] for number in output["found"].tolist()]
            columns = (notes["video"], notes["question_ids"], notes["questions"], notes["answers"], found)
            rows += [
                {
                    "video": videos[video],
                    "id": number,
                    "question": question,
                    "answer": answer,
                    "prediction": predicted,
                    "correct": predicted == answer,
                }
                for video, number, question, answer, predicted in zip(*columns, strict=True)
            ]
        return rows

    def _answer(self, video: Tensor, questions: list[str]) -> list[int]:
        """Positions in the list of the answers to questions about one video, given its tokens ``[n, d]``."""
        assert self._answer_pieces is not None  # set as a test starts
        input_ids, mask = (side.to(self.device) for side in self.tokenizer(questions))
        states = self.model.encode_questions(input_ids, mask, video.unsqueeze(0))
        ranked = self.model.text_decoder.rank(states, mask, *self._answer_pieces, k=self.k_test)
        if ranked.log_score.isnan().any():
            raise UserError("an answer has the score NaN: try --trainer.precision 32-true")
        return ranked.index[:, 0].tolist()

    def _tokenize_answers(self, answers: Sequence[str]) -> tuple[Tensor, Tensor]:
        input_ids, mask = self.tokenizer([f"{answer} [SEP]" for answer in answers], self.max_answer_length)
        return input_ids.to(self.device), mask.to(self.device)

    # Fine-tuning.

    def training_step(self, batch: QuestionBatch, batch_idx: int) -> Tensor:
        """Negative log-likelihood of the answers: summed over word pieces, averaged over questions."""
        if not len(batch.index):  # every video of the batch was broken
            return nothing_to_learn(self)
        questions, answers = (list(chain.from_iterable(each)) for each in (batch.questions, batch.answers))
        input_ids, mask = (side.to(self.device) for side in self.tokenizer(questions, pad_to_longest=True))
        tokens = self.model.encode_video(self.model.normalize(batch.clips))
        states = self.model.encode_questions(input_ids, mask, tokens)
        loss = self.model.text_decoder.answer_losses(states, mask, *self._tokenize_answers(answers)).mean()
        self.log("train/answers", loss, prog_bar=True, batch_size=len(questions))
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, no decay on biases and norms; linear warm-up, then a cosine down to 1 %."""
        groups = decay_groups(self, self.weight_decay)
        return adamw_with_cosine(self, groups, learning_rate=self.learning_rate, warmup_steps=self.warmup_steps)


def _word_table(first_words: tuple[str, ...]) -> tuple[ScoreTable, ...]:
    if not first_words:
        return ()
    columns = {f"{_BY_WORD}{word}": f"{word} ..." for word in first_words} | {"accuracy": "all"}
    title = "accuracy by the first word of the question"
    return (ScoreTable(columns, "accuracy", "accuracy by first word", title, _BY_WORD),)
