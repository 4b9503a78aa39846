"""Position tables of checkpoints, where clips are longer, shorter, larger or smaller than those of the training."""

import logging
import math

import torch
from torch import Tensor

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.containers import StateDict
from vidtldr.models.checkpoint.found import Checkpoint
from vidtldr.models.positions import Grid, sinusoid_table, stretch
from vidtldr.models.tubelet import VideoTransformer

_log = logging.getLogger(__name__)
_MOST_POSITIONS = 10**6  # a config that tells of more is damaged
_SAME = 1e-4  # tables are computed in float32 by some, where angles of thousands lose digits


def fit_sinusoid(encoder: VideoTransformer, checkpoint: Checkpoint, state: StateDict, prefix: str = "") -> None:
    """Make an encoder's fixed table for the clips that a checkpoint tells of, and take a stored one out of its entries.

    Where the checkpoint does not tell, the table stays: made for the encoder's clips, as the official codes do.

    Args:
        encoder: Whose table it is.
        checkpoint: Tells, or does not.
        state: Its entries under the names of the model, with patches as they are stored.
        prefix: Of the encoder's names in it.

    Raises:
        UserError: A stored table is not the one that is computed, or is of other clips than are told of; or such clips
            do not divide into tubelets.
    """
    old, new = encoder.made_for, encoder.patch_embed.grid_size
    told = _told_grid(encoder, checkpoint, state.get(f"{prefix}patch_embed.proj.weight"))
    if told != old:
        encoder.stretch_positions(told)
        if told != new:
            _say_stretched(checkpoint, told, new)
    if f"{prefix}pos_embed" in state:
        _check_sinusoid(state.pop(f"{prefix}pos_embed"), checkpoint, math.prod(told))


def fit_learned(own: Tensor, checkpoint: Checkpoint, state: StateDict, name: str) -> None:
    """Stretch a learned table ``[1, 1 + n, d]`` of square images, after its class token, where a model's is of others.

    Args:
        own: The model's.
        checkpoint: For the note.
        state: Holds the table, and takes the stretched one.
        name: Of the table.
    """
    table = state.get(name)
    if table is None or table.ndim != 3 or table.shape[1] == own.shape[1] or not table.is_floating_point():
        return
    old, new = (Grid(1, side, side) for side in (math.isqrt(max(0, each.shape[1] - 1)) for each in (table, own)))
    if math.prod(old) != table.shape[1] - 1 or not math.prod(old) or math.prod(new) != own.shape[1] - 1:
        return  # its shape will be refused
    patches = stretch(table[:, 1:].float(), old, new, antialias=True).to(table.dtype)
    state[name] = torch.cat([table[:, :1], patches], dim=1)
    _say_stretched(checkpoint, old, new)


def _told_grid(encoder: VideoTransformer, checkpoint: Checkpoint, patches: Tensor | None) -> Grid:
    """The tokens of a clip in a checkpoint's training; what it does not tell is as in the encoder's table.

    Its tubelets may be of fewer frames than the encoder's, into which they are then inflated.
    """
    tubelet_size, patch_size, _ = encoder.patch_embed.proj.kernel_size
    if patches is not None and patches.ndim == 5:
        tubelet_size = max(1, patches.shape[2])
    frames, pixels = checkpoint.num_frames or 0, checkpoint.image_size or 0
    steps, side = frames // tubelet_size, pixels // patch_size
    if frames % tubelet_size or pixels % patch_size or steps * side**2 > _MOST_POSITIONS:
        raise UserError(
            f"checkpoint '{checkpoint}' cannot have been trained on {frames} frames of {pixels} px, as it is said to: "
            f"its tubelets are of {tubelet_size} frames x {patch_size} px"
        )
    return Grid(steps or encoder.made_for.time, side or encoder.made_for.height, side or encoder.made_for.width)


def _say_stretched(checkpoint: Checkpoint, old: Grid, new: Grid) -> None:
    _log.warning("%s: its position table was stretched from %s tokens to %s", checkpoint, old, new)


def _check_sinusoid(stored: Tensor, checkpoint: Checkpoint, num_positions: int) -> None:
    sound = stored.ndim > 1 and stored.numel() > 0 and stored.is_floating_point()
    if sound:
        table = stored.flatten(0, -2)
        expected = sinusoid_table(*table.shape)[0]
        sound = torch.allclose(table.float(), expected, rtol=0, atol=max(_SAME, torch.finfo(table.dtype).eps))
    if not sound:
        raise UserError(
            f"checkpoint '{checkpoint}' holds a pos_embed other than the fixed sines and cosines of this model; "
            "models with learned positions are not supported"
        )
    if len(table) != num_positions:
        raise UserError(
            f"checkpoint '{checkpoint}' holds a table of {len(table)} positions, the model has {num_positions}: say "
            "what it was trained on with --model.checkpoint_frames and --model.checkpoint_image_size"
        )
