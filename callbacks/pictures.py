"""Where the tokens of clips end under a method."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from lightning import Callback, LightningModule, Trainer
from timm.models import VisionTransformer
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.token_merge import TokenMergeCallback
from vidtldr.measuring.clip_grid import ClipGrid, encoder_input
from vidtldr.merging import LayerRecord, Method
from vidtldr.results.pictures import ClipTrace


class TraceCallback(Callback):
    """Follows the tokens of clips in a prediction.

    Its :meth:`observe` is the observer of the :class:`~callbacks.TokenMergeCallback` beside it.

    Args:
        num_frames: Frames of a clip.

    Attributes:
        of_clips: What became of each clip so far, in order.
    """

    def __init__(self, num_frames: int) -> None:
        super().__init__()
        self.of_clips: list[ClipTrace] = []
        self._num_frames = num_frames
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
        """Keep where the patches of a batch's clips ended."""
        record, self._last = self._last, None
        if record is None:
            raise RuntimeError("no layer was seen: give the TokenMergeCallback this one's observe as its observer")
        encoder: Any = pl_module.vision_encoder
        grid, num_tokens = ClipGrid.of(encoder, self._num_frames), record.tokens.shape[1]
        owner, share = (each[:, encoder.num_prefix_tokens :] for each in (record.owner, record.share))
        owners, shares = grid.unfold_owner(owner, num_tokens).cpu().numpy(), grid.unfold(share).cpu().numpy()
        left = num_tokens * grid.images_per_clip
        self.of_clips += [ClipTrace(*of_clip, num_tokens=left) for of_clip in zip(owners, shares, strict=True)]


class _EncoderAlone(LightningModule):
    """A vision encoder that is shown clips."""

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.vision_encoder = encoder

    def predict_step(self, clip: Tensor, batch_idx: int) -> Tensor:
        """Encode a clip, ``[1, t, c, h, w]`` uint8."""
        encoded: Tensor = self.vision_encoder(encoder_input(self.vision_encoder, clip))
        return encoded


def follow_clips(
    encoder: VisionTransformer,
    clips: Sequence[Tensor],
    method: Method,
    make_trainer: Callable[[list[Callback]], Trainer],
    *others: Callback,
) -> list[ClipTrace]:
    """Show clips to an encoder under a method, in the device and the precision of a Trainer.

    Args:
        encoder: What the method is put on.
        clips: ``[t, c, h, w]`` each, uint8, at least one.
        method: A method.
        make_trainer: Gives a Trainer for callbacks.
        others: Callbacks for it beside those that follow the tokens.

    Returns:
        What the method made of each clip.
    """
    traces = TraceCallback(len(clips[0]))
    trainer = make_trainer([TokenMergeCallback(method, observer=traces.observe), traces, *others])
    loader: DataLoader[Tensor] = DataLoader(list(clips))  # type: ignore[arg-type]  # a list will do
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say of a schedule was said in the evaluation
        trainer.predict(_EncoderAlone(encoder), loader, return_predictions=False)
    return traces.of_clips
