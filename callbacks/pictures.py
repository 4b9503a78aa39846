"""Where the tokens of each clip end, told as soon as a clip is through."""

from collections.abc import Callable
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from vidtldr.measuring.clip_grid import ClipGrid
from vidtldr.merging import LayerRecord
from vidtldr.results.pictures import ClipTrace


class TraceCallback(Callback):
    """Follows the tokens of clips in a prediction.

    Its :meth:`observe` is the observer of the :class:`~callbacks.TokenMergeCallback` beside it.

    Args:
        num_frames: Frames of a clip.
        take: Given the trace of each clip of each batch, in order.
    """

    def __init__(self, num_frames: int, take: Callable[[ClipTrace], None]) -> None:
        super().__init__()
        self._num_frames, self._take = num_frames, take
        self._last: LayerRecord | None = None

    def observe(self, record: LayerRecord) -> None:
        """Remember a layer; the last one knows the whole way."""
        self._last = record

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Hand over the clips of a batch."""
        record, self._last = self._last, None
        if record is None:
            raise RuntimeError("no layer was seen: give the TokenMergeCallback this one's observe as its observer")
        encoder: Any = pl_module.vision_encoder
        grid, num_tokens = ClipGrid.of(encoder, self._num_frames), record.tokens.shape[1]
        owner, share = (each[:, encoder.num_prefix_tokens :] for each in (record.owner, record.share))
        owners, shares = grid.unfold_owner(owner, num_tokens).cpu().numpy(), grid.unfold(share).cpu().numpy()
        for of_clip in zip(owners, shares, strict=True):
            self._take(ClipTrace(*of_clip, num_tokens=num_tokens * grid.images_per_clip))
