"""What the tasks of a pair of towers share: the pair by its names, its pixels, its texts."""

from typing import Any

from torch import Tensor

from datamodules.clips.shape import ClipShape
from vidtldr.models.checkpoint import Choice, Source
from vidtldr.models.pixels import blank_input
from vidtldr.models.towers import PairPixelNorm, TowerPair, find_pair, load_pair
from vidtldr.models.towers.texts import Tokenizer
from vidtldr.tasks.base import AnyBatch, Data, Task


class TowerTask(Task[Data, AnyBatch], ClipShape):
    """A task of a pair of towers, whose frames are encoded one by one and averaged. It is not trained.

    Args:
        backbone: ``auto`` where the config beside the checkpoint tells what the pair is; otherwise ``clip_b32``,
            ``clip_b16``, ``clip_l14``, ``siglip_b16``, ``siglip2_b16``, ``vifi_clip_b16`` or ``vifi_clip_b32``.
        size: Single sizes that differ from these, such as ``{depth: 6}``.
        checkpoint: Weights: a folder of Hugging Face or open_clip with a CLIP, SigLIP or SigLIP 2, a model of the hub
            (``org/name``), a model of open_clip (``open_clip:ViT-B-16/openai``), or a file. None starts from random
            weights.
        weights: ``ema`` takes the averaged weights of a checkpoint that holds them beside the plain ones.
        tokenizer: ``clip`` for CLIP's byte-pair encoding, or a folder or hub name of a tokenizer. None takes that
            beside the checkpoint, or CLIP's where there is none and the vocabulary is CLIP's.
    """

    model: TowerPair

    def __init__(
        self,
        *,
        backbone: str,
        size: dict[str, Any] | None,
        num_frames: int,
        image_size: int,
        checkpoint: str | None,
        weights: Choice,
        tokenizer: str | None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()  # all of the subclass's, too
        self.num_frames, self.image_size = num_frames, image_size
        self._setup = find_pair(backbone, checkpoint, size=size, weights=weights)
        self.model = self._setup.build(image_size)
        self.pixel_norm = PairPixelNorm(self._setup.statistics)
        self._tokenizer_name = tokenizer
        self._tokenize: Tokenizer | None = None
        if checkpoint is not None or tokenizer is not None:  # what is wrong with it is said before time is spent
            self._tokenize = self._setup.tokenizer(tokenizer)
        self._start_from(self._setup.checkpoint)

    def load_weights(self, path: Source) -> list[str]:
        """Load a checkpoint."""
        return load_pair(self.model, path)

    def example_clip(self) -> Tensor:
        """The blank normalised frames of one clip ``[t, c, h, w]`` to count FLOPs with."""
        return blank_input(self.vision_encoder, self.num_frames)

    def encode_video(self, clips: Tensor) -> Tensor:
        """Features of uint8 clips ``[b, t, c, h, w]``, ``[b, e]``, length 1, float32."""
        return self.model.encode_video(self.pixel_norm(clips).to(self.vision_encoder.patch_embed.proj.weight.dtype))

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Features of texts, ``[n, e]``, length 1, float32.

        Raises:
            UserError: The pair has no tokenizer.
        """
        if self._tokenize is None:
            self._tokenize = self._setup.tokenizer(self._tokenizer_name)
        return self.model.encode_text(self._tokenize(texts).to(self.device))
