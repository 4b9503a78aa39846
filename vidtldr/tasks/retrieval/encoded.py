"""What the passes over videos and texts left behind for scoring."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidtldr.storage.batch_store import BatchOutput


class EncodedSide:
    """Features in memory, token states in the files of their batches.

    Token states are several GB for a thousand clips of UMT-B; they are mapped, so that only those in use take memory,
    once for all processes of a machine.

    Args:
        outputs: Batches with ``index`` ``[b]``, ``features`` ``[b, e]`` and ``tokens`` ``[b, n, d]``; of a batch in
            which everything was broken, ``index`` alone.
        rows: Items in total; those of no batch are absent.

    Attributes:
        present: Which rows were encoded, ``[rows]`` bool.
    """

    def __init__(self, outputs: Sequence[BatchOutput], rows: int) -> None:
        self._outputs = [output for output in outputs if "tokens" in output]
        self._tokens = [output["tokens"] for output in self._outputs]
        self._place = {
            row: (number, position)
            for number, output in enumerate(self._outputs)
            for position, row in enumerate(output["index"].tolist())
        }
        self.present = torch.zeros(rows, dtype=torch.bool)
        self.present[torch.tensor(list(self._place), dtype=torch.int64)] = True

    def kept(self, name: str, rows: Tensor) -> Tensor:
        """What stands under a name for some rows that are present, ``[b, ...]``."""
        order = {row: position for position, row in enumerate(self._place)}
        return torch.cat([output[name] for output in self._outputs])[[order[row] for row in rows.tolist()]]

    def features(self, rows: Tensor) -> Tensor:
        """Features ``[b, e]`` of some rows."""
        return self.kept("features", rows)

    def tokens(self, row: int) -> Tensor:
        """Token states ``[n, d]`` of a row, on the CPU."""
        number, position = self._place[row]
        return self._tokens[number][position]


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
    """Both sides of a retrieval evaluation.

    Args:
        videos: As :class:`EncodedSide` takes them.
        texts: Likewise, with padding masks ``mask`` ``[b, l]`` and a note ``videos``: for each text the gallery
            positions of its videos.
        num_videos: Videos of the gallery, broken ones included.
        num_texts: Text queries.
    """

    def __init__(
        self, videos: Sequence[BatchOutput], texts: Sequence[BatchOutput], num_videos: int, num_texts: int
    ) -> None:
        self.videos, self.texts = EncodedSide(videos, num_videos), EncodedSide(texts, num_texts)
        self._correct = torch.zeros(num_texts, num_videos, dtype=torch.bool)
        for output in texts:
            for row, of_text in zip(output["index"].tolist(), output.notes["videos"], strict=True):
                self._correct[row, of_text] = True

    def answerable(self) -> Answerable:
        """Videos that were read, texts that have one of them, and which pairs are correct."""
        videos = self.videos.present.nonzero().squeeze(1)
        correct = self._correct[:, videos] & self.texts.present.unsqueeze(1)
        queries = correct.any(dim=1).nonzero().squeeze(1)
        return Answerable(videos, queries, correct[queries])

    def similarity(self, part: Answerable) -> Tensor:
        """Contrastive similarity of what can be scored, ``[q, g]`` float32."""
        return (self.texts.features(part.queries) @ self.videos.features(part.videos).t()).float()
