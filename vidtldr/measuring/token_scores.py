"""What a model finds salient, layer by layer, put back on the patches of the clip, under any method.

A method sees ever fewer tokens. What is said of a token is said here of all patches that it stands for; of a patch that
was dropped nothing is said (NaN).

Notation: b clips of t x h x w patches (see :class:`~vidtldr.measuring.clip_grid.ClipGrid`); a layer sees n tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from vidtldr.measuring.clip_grid import ClipGrid
from vidtldr.merging import Base, LayerRecord, MergeableBlock, MergePlan, Method, merging, rollout, saliency
from vidtldr.merging.attention.attend import Statistic, attend
from vidtldr.merging.blocks import Stack
from vidtldr.merging.trace import INPUT


@dataclass(frozen=True)
class LayerScores:
    """What a layer's attention says of each patch, and what the method then makes of it.

    Attributes:
        layer: Index of the layer, 0-based.
        num_tokens: Tokens that leave it, prefix tokens included; of a clip.
        attentiveness: Attention that the patch's token receives (Eq. 3), ``[b, t, h, w]``, float32.
        sharpness: Negative entropy of its own attention (Eq. 5), ``[b, t, h, w]``, float32, <= 0.
        saliency: vid-TLDR's score of it (Eq. 8-9), ``[b, t, h, w]``, in [0, 1].
        owner: The token that stands for the patch after the layer, ``[b, t, h, w]``, int64, distinct within a clip; -1
            for a patch that was dropped.
        share: How much of the patch survives after the layer, ``[b, t, h, w]``, in [0, 1].
        mass: Mass of its token over the number of patches that the token stands for, ``[b, t, h, w]``; 0 if dropped.
    """

    layer: int
    num_tokens: int
    attentiveness: Tensor
    sharpness: Tensor
    saliency: Tensor
    owner: Tensor
    share: Tensor
    mass: Tensor


@torch.no_grad()
def layer_scores(
    encoder: VisionTransformer,
    inputs: Tensor,
    *,
    num_frames: int,
    method: Method | None = None,
    depth: int | None = None,
) -> list[LayerScores]:
    """Score the patches of clips in each layer.

    Args:
        encoder: Any ViT that merging knows, with a ``patch_embed``; in eval mode.
        inputs: Clips as it takes them; see :func:`~vidtldr.measuring.clip_grid.encoder_input`.
        num_frames: Frames of a clip.
        method: What it runs under; None means base.
        depth: Score the first layers only; None means all.

    Raises:
        ValueError: The encoder cannot be merged in, or the method merges before a layer's attention.
    """
    grid = ClipGrid.of(encoder, num_frames)
    return [_score(seen, grid) for seen in _layers(encoder, inputs, method or Base(), depth)]


@torch.no_grad()
def rollout_scores(encoder: VisionTransformer, inputs: Tensor, *, num_frames: int) -> Tensor:
    """How much of each patch arrives in the output of the unreduced model (Eq. 4), ``[b, t, h, w]``, float32.

    The head-averaged maps of all layers are held at once.
    """
    seen = list(_layers(encoder, inputs, Base(), None))
    scores = rollout([layer.read("map") for layer in seen])
    return ClipGrid.of(encoder, num_frames).unfold(scores[:, seen[0].num_prefix :])


@torch.no_grad()
def query_attention(
    encoder: VisionTransformer,
    inputs: Tensor,
    query: tuple[int, int, int],
    *,
    num_frames: int,
    method: Method | None = None,
    layer: int = 0,
) -> Tensor:
    """Whom one patch attends to in a layer: one row of the map, averaged over heads.

    Args:
        encoder: As in :func:`layer_scores`.
        inputs: As in :func:`layer_scores`.
        query: Step, row and column of the patch.
        num_frames: Frames of a clip.
        method: What the model runs under; None means base. The token that stands for the patch is asked.
        layer: Index of the layer, 0-based.

    Returns:
        ``[b, t, h, w]``, float32; 0 in other frames if each frame is encoded alone, and NaN for patches that were
        dropped, or everywhere if the asking one was.

    Raises:
        ValueError: There is no such patch or layer, or as :func:`layer_scores`.
    """
    grid = ClipGrid.of(encoder, num_frames)
    image, patch = grid.locate(query)
    layers = list(_layers(encoder, inputs, method or Base(), layer + 1))
    if not 0 <= layer < len(layers):
        raise ValueError(f"no layer {layer + 1}: the model has {len(layers)}")
    seen = layers[layer]
    images = torch.arange(image, len(inputs), grid.images_per_clip, device=inputs.device)
    attention = torch.zeros(seen.x.shape[:2], device=inputs.device)
    attention[images] = seen.row_of(images, patch)
    return grid.unfold(seen.on_patches(attention))


@dataclass(frozen=True)
class _Seen:
    """A layer as its attention sees it.

    Attributes:
        block: The layer.
        x: Tokens that its attention sees, ``[b', n, c]``, b' = b * images_per_clip.
        owner: Which of them stands for each input token, ``[b', n_input]``; -1 for none.
        record: What the method did.
        num_prefix: Prefix tokens, p.
    """

    block: MergeableBlock
    x: Tensor
    owner: Tensor
    record: LayerRecord
    num_prefix: int

    def read(self, statistic: Statistic) -> Tensor:
        """A statistic of the attention, without the mass term, as methods read it."""
        projected = self.block.project(self.x)
        read = attend(
            projected.query, projected.key, projected.value, scale=projected.scale, statistic=statistic
        ).statistic
        assert read is not None  # asked for
        return read

    def row_of(self, images: Tensor, patch: int) -> Tensor:
        """The row of the map that belongs to a patch, ``[k, n]``, of some entries of the batch, ``[k]``."""
        projected = self.block.project(self.x[images])
        owner = self.owner[images, self.num_prefix + patch]
        queries = projected.query[torch.arange(len(images), device=images.device), :, owner.clamp(min=0)]  # [k, h, e]
        scores = torch.einsum("khe,khne->khn", queries.float() * projected.scale, projected.key.float())
        return scores.softmax(dim=-1).mean(dim=1).masked_fill(owner.unsqueeze(1) < 0, torch.nan)

    def on_patches(self, scores: Tensor) -> Tensor:
        """Scores of tokens ``[b', n]`` as those of the patches that they stand for, ``[b', n_input - p]``."""
        owner = self.owner[:, self.num_prefix :]
        return scores.gather(1, owner.clamp(min=0)).masked_fill(owner < 0, torch.nan)


def _layers(encoder: VisionTransformer, inputs: Tensor, method: Method, depth: int | None) -> Iterator[_Seen]:
    """Run the model once, then go through its first layers."""
    records: list[LayerRecord] = []
    entered: list[Tensor] = []
    with merging(encoder, method, observer=records.append):
        handle = encoder.blocks.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        try:
            encoder(inputs)
        finally:
            handle.remove()
    stack = Stack(encoder, encoder.blocks)
    x = entered[-1]  # attention rollout has run the model once before
    owner = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    if records[0].layer == INPUT:
        entrance = records.pop(0)
        x, owner = entrance.tokens, entrance.owner
    for (_, block), record in zip(list(stack.parts())[:depth], records):
        assert block is not None  # merging knew it
        if method.before == "layer" and record.plan is not None:
            if isinstance(record.plan, MergePlan):
                raise ValueError(f"{type(method).__name__} merges before a layer's attention, which is not traced")
            x, owner = record.plan.take(x), record.owner
        yield _Seen(block, x, owner, record, stack.num_prefix)
        x, owner = record.tokens, record.owner


def _score(seen: _Seen, grid: ClipGrid) -> LayerScores:
    record, num_prefix = seen.record, seen.num_prefix
    sharp = seen.read("sharpness")
    salient = torch.cat([torch.ones_like(sharp[:, :num_prefix]), saliency(sharp[:, num_prefix:])], dim=1)
    owner = record.owner[:, num_prefix:]
    num_tokens = record.tokens.shape[1]
    return LayerScores(
        layer=record.layer,
        num_tokens=num_tokens * grid.images_per_clip,
        attentiveness=grid.unfold(seen.on_patches(seen.read("attentiveness"))),
        sharpness=grid.unfold(seen.on_patches(sharp)),
        saliency=grid.unfold(seen.on_patches(salient)),
        owner=grid.unfold_owner(owner, num_tokens),
        share=grid.unfold(record.share[:, num_prefix:]),
        mass=grid.unfold(_mass_per_patch(record, owner)),
    )


def _mass_per_patch(record: LayerRecord, owner: Tensor) -> Tensor:
    """Mass of each patch's token over the number of patches that it stands for."""
    mass = torch.ones(record.tokens.shape[:2], device=owner.device) if record.mass is None else record.mass
    known = owner.clamp(min=0)
    count = torch.zeros_like(mass).scatter_add_(1, known, (owner >= 0).to(mass.dtype))
    return (mass.gather(1, known) / count.gather(1, known).clamp(min=1)).masked_fill(owner < 0, 0)
