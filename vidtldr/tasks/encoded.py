"""What one pass over videos and texts leaves behind for scoring."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vidtldr.tasks.token_store import TokenStore


class EncodedSide:
    """Features and token states of the videos, or of the texts, in the order of the data set.

    Args:
        path: File for the token states.
        rows: Items in total; those that never come stay absent.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.tokens = TokenStore(path, rows)
        self.present = torch.zeros(rows, dtype=torch.bool)
        self._features: Tensor | None = None

    def add(self, index: Tensor, tokens: Tensor, features: Tensor) -> None:
        """Keep token states ``[b, n, d]`` and features ``[b, e]`` of the items ``index`` ``[b]``."""
        index, features = index.cpu(), features.cpu()
        if self._features is None:
            self._features = features.new_zeros(len(self.present), features.shape[1])
        self._features[index] = features
        self.present[index] = True
        self.tokens.write(index, tokens)

    def features(self, rows: Tensor) -> Tensor:
        """Features ``[b, e]`` of some rows."""
        if self._features is None:
            raise ValueError("nothing was encoded yet")
        return self._features[rows]


@dataclass(frozen=True)
class Answerable:
    """What can be scored once broken videos are out.

    Attributes:
        videos: Rows of the videos that were read, ``[g]``. One without a caption stays, as a distractor.
        queries: Rows of the texts that have one of these videos, ``[q]``.
        correct: Which pairs are correct, ``[q, g]`` bool.
    """

    videos: Tensor
    queries: Tensor
    correct: Tensor


class EncodedSet:
    """Both sides of a retrieval evaluation, with the token states in a temporary folder.

    Args:
        num_videos: Videos of the gallery, broken ones included.
        num_texts: Text queries.
        scratch_dir: Where the temporary folder is made; None means the system's place.
    """

    def __init__(self, num_videos: int, num_texts: int, scratch_dir: str | None = None) -> None:
        self.scratch = tempfile.TemporaryDirectory(prefix="vidtldr-", dir=scratch_dir)
        folder = Path(self.scratch.name)
        self.videos = EncodedSide(folder / "videos", num_videos)
        self.texts = EncodedSide(folder / "texts", num_texts)
        self._text_masks: dict[int, Tensor] = {}
        self._correct = torch.zeros(num_texts, num_videos, dtype=torch.bool)

    def add_texts(
        self, index: Tensor, hidden: Tensor, features: Tensor, mask: Tensor, correct: list[list[int]]
    ) -> None:
        """Keep texts with their padding masks ``[b, l]`` and the gallery positions of their videos."""
        self.texts.add(index, hidden, features)
        for row, row_mask, videos in zip(index.tolist(), mask.cpu(), correct, strict=True):
            self._text_masks[row] = row_mask
            self._correct[row, videos] = True

    def text_mask(self, rows: Tensor) -> Tensor:
        """Padding masks ``[b, l]`` of some texts."""
        return torch.stack([self._text_masks[row] for row in rows.tolist()])

    def answerable(self) -> Answerable:
        """Videos that were read, texts that have one of them, and which pairs are correct."""
        videos = self.videos.present.nonzero().squeeze(1)
        correct = self._correct[:, videos] & self.texts.present.unsqueeze(1)
        queries = correct.any(dim=1).nonzero().squeeze(1)
        return Answerable(videos, queries, correct[queries])
