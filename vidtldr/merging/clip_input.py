"""What a method may see of a clip itself: the pixels that its tokens were made of.

A hook on the patch embedding leaves them for the run of the blocks that follows, in a context variable, so threads and
nested models do not see each other's.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vidtldr.merging.draws import clip_keys


@dataclass(frozen=True)
class Clips:
    """The clips of a batch.

    Attributes:
        pixels: As the encoder takes them, ``[b, c, t, h, w]``, or images ``[b, c, h, w]``.
        patch: Extent of a token, in frames and pixels ``(t, h, w)``, or ``(h, w)``.
    """

    pixels: Tensor
    patch: tuple[int, ...]

    @cached_property
    def keys(self) -> Tensor:
        """What tells a clip from others, ``[b]``, int64; see :func:`~vidtldr.merging.draws.clip_keys`."""
        return clip_keys(self.pixels)


_clips: ContextVar[tuple[nn.Module, Clips] | None] = ContextVar("clips", default=None)


def watch_embedding(owner: nn.Module, blocks: nn.Module) -> RemovableHandle:
    """Let these blocks know the clips of each run, until the hook is removed.

    Args:
        owner: The ViT.
        blocks: Its blocks.

    Raises:
        ValueError: See :func:`patch_of`.
    """
    patch_of(owner)
    embedding: nn.Module = owner.patch_embed  # type: ignore[assignment]
    # Bound by `partial`, which a copy of the model copies with it, to the copied blocks.
    return embedding.register_forward_pre_hook(partial(_leave_clips, blocks))


def patch_of(owner: nn.Module) -> tuple[int, ...]:
    """Extent of a token of a ViT, ``(t, h, w)`` or ``(h, w)``.

    Raises:
        ValueError: It has no ``patch_embed`` that is a convolution, as timm's is.
    """
    size = getattr(getattr(getattr(owner, "patch_embed", None), "proj", None), "kernel_size", None)
    if size is None:
        raise ValueError(f"{type(owner).__name__} has no `patch_embed.proj`, by which a method sees the clip")
    return tuple(size)


def take_clips(blocks: nn.Module) -> Clips:
    """The clips of the run that these blocks are in.

    Raises:
        RuntimeError: The blocks were called without the patch embedding.
    """
    entry = _clips.get()
    _clips.set(None)
    if entry is None or entry[0] is not blocks:
        raise RuntimeError("the method needs the pixels of the clip: call the model itself, not its blocks")
    return entry[1]


def _leave_clips(blocks: nn.Module, embedding: nn.Module, args: Sequence[Any]) -> None:
    projection: Any = embedding.proj
    _clips.set((blocks, Clips(args[0], tuple(projection.kernel_size))))
