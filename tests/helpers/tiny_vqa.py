"""A small MSVD-QA in its official layout and a checkpoint with official names, for tests of the whole command."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.helpers.tiny_run import IMAGE_SIZE, NUM_FRAMES, SPECIAL, write_msvd
from tests.helpers.tiny_run import SIZE as RETRIEVAL_SIZE
from vidtldr.models.umt import UMTVQA, umt_size

WORDS = ("what", "who", "how", "many", "is", "the", "a", "color", "shape", "red", "green", "blue", "box", "two", "one")
SIZE = RETRIEVAL_SIZE | {"vocab_size": len(SPECIAL) + len(WORDS)}
QUESTIONS = ("What color is the shape?", "who is red?", "how many?", "what is a box", "is the box green")
ANSWERS = ("red", "green", "blue", "red box", "box", "two", "one", "red shape", "a blue box")
NUM_VIDEOS = 5
_HEAD = "text_decoder.cls.predictions."
_OFFICIAL_HEAD = {"head.transform.0.": "transform.dense.", "head.transform.2.": "transform.LayerNorm.", "head.": ""}


def write_vocabulary(path: Path) -> Path:
    """Write a ``vocab.txt`` of :data:`WORDS`; returns ``path``."""
    path.write_text("\n".join((*SPECIAL, *WORDS)) + "\n")
    return path


def write_videos(root: Path) -> Path:
    """Write videos and a list of answers; returns ``root``."""
    write_msvd(root, NUM_VIDEOS)
    (root / "msvd_ret_test.json").unlink()
    (root / "msvd_qa_answer_list.json").write_text(json.dumps(ANSWERS))
    return root


def write_questions(path: Path, answers: list[str]) -> Path:
    """Ask every question about every video, in UMT's format; ``answers`` in the order of the videos."""
    asked = [(f"clip{video}_1_8.mp4", question) for video in range(NUM_VIDEOS) for question in QUESTIONS]
    records = [
        {"video": video, "question": question, "answer": answer, "question_id": number}
        for number, ((video, question), answer) in enumerate(zip(asked, answers, strict=True))
    ]
    path.write_text(json.dumps(records))
    return path


def tiny_model() -> UMTVQA:
    """A model with the weights that :func:`write_checkpoint` stores."""
    torch.manual_seed(1)
    model = UMTVQA(umt_size("umt_b", SIZE), num_frames=NUM_FRAMES, image_size=IMAGE_SIZE).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:  # large enough that answers depend on video and question
            std = 2.0 if "embeddings" in name else 3.0 / parameter[0].numel() ** 0.5
            torch.nn.init.normal_(parameter, std=std)
    return model


def write_checkpoint(path: Path) -> Path:
    """Save random weights under the names and wrapper of a published file; returns ``path``."""
    official: dict[str, Tensor] = {}
    state = tiny_model().state_dict()
    for key, value in state.items():
        key = key.replace("vision_encoder.", "vision_encoder.encoder.")
        for ours, theirs in _OFFICIAL_HEAD.items():
            key = key.replace(f"text_decoder.{ours}", f"{_HEAD}{theirs}")
        if key.endswith("attn.qkv.bias"):
            query, _, value_bias = value.chunk(3)
            official[key.replace("qkv.bias", "q_bias")] = query.clone()
            official[key.replace("qkv.bias", "v_bias")] = value_bias.clone()
        else:
            official[key] = value
    official[f"{_HEAD}decoder.weight"] = state["text_decoder.bert.embeddings.word_embeddings.weight"]
    official[f"{_HEAD}decoder.bias"] = state["text_decoder.head.bias"]
    torch.save({"model": official, "epoch": 7, "global_step": 100}, path)
    return path


def naive_answer(model: UMTVQA, tokens: Tensor, question: Tensor, answers: list[Tensor], k: int) -> int:
    """The best answer to one question, word piece by word piece and without any padding.

    Args:
        model: Answers.
        tokens: Of the video, ``[1, n, d]``.
        question: Word pieces, ``[1, l]``.
        answers: Word pieces of each answer, ``[p]``, ``[CLS]`` and ``[SEP]`` included.
        k: Candidates.
    """
    states = model.encode_questions(question, torch.ones_like(question), tokens)
    keys_values = model.text_decoder.bert.project_keys_values(states)
    words = model.text_decoder.bert.embeddings.word_embeddings.weight

    def log_prob(pieces: Tensor, position: int) -> float:
        """Of the word piece at a position, given those before it."""
        before = pieces[None, :position]
        causal = torch.ones(1, position, position).tril()
        hidden = model.text_decoder.bert.embeddings(before)
        for layer, pair in zip(model.text_decoder.bert.fusion_layers, keys_values, strict=True):
            hidden = layer(hidden, causal.bool().unsqueeze(1), pair)
        return model.text_decoder.head(hidden[0, -1], words).log_softmax(0)[pieces[position]].item()

    first = [log_prob(pieces, 1) for pieces in answers]
    candidates = sorted(range(len(answers)), key=lambda index: (-first[index], index))[:k]
    scores: dict[Any, float] = {
        index: first[index] + sum(log_prob(answers[index], position) for position in range(1, len(answers[index])))
        for index in candidates
    }
    return max(scores, key=lambda index: scores[index])
