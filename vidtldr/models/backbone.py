"""What a backbone is: a family of vision encoders, built by the names of its published sizes.

Whoever adds one derives from :class:`Backbone`, or from :class:`Classifier` if action recognition shall be able to run
it, and registers the class; costs, the bench and that task then know its names.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from vidtldr.models.checkpoint import Source
from vidtldr.models.pixels import blank_input


@dataclass(frozen=True)
class EncoderOptions:
    """What is asked of an encoder beside its size.

    Attributes:
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
        num_classes: Classes of the head, where there is one.
        drop_path: Rate of stochastic depth at the last block, for training.
        head_dropout: Dropout before the head, for training.
    """

    num_frames: int
    image_size: int = 224
    num_classes: int = 0
    drop_path: float = 0.0
    head_dropout: float = 0.0


@dataclass(frozen=True)
class ClipEncoder:
    """A vision encoder, and what it takes for one clip.

    Attributes:
        module: With random weights.
        images_per_clip: Entries of a batch that make a clip: 1, or the frames where each is encoded alone.
    """

    module: VisionTransformer
    images_per_clip: int = 1

    def blank_clips(self, num_clips: int) -> Tensor:
        """An input of zeros for some clips, with the dtype and device of the weights."""
        return blank_input(self.module, num_clips * self.images_per_clip)


class Backbone(ABC):
    """A family of vision encoders.

    Attributes:
        sizes: Published sizes by name: dataclasses of one type, whose fields configs may change one by one.
    """

    sizes: ClassVar[Mapping[str, Any]]

    @abstractmethod
    def build(self, size: Any, options: EncoderOptions) -> VisionTransformer:
        """An encoder with random weights, with an ``input_shape`` beside what timm's has.

        Args:
            size: One of :attr:`sizes`, or with other values.
            options: What it is built for.
        """

    def images_per_clip(self, num_frames: int) -> int:
        """Entries of a batch that make a clip: 1 unless frames are encoded one by one."""
        return 1


class Classifier(Backbone):
    """A family whose encoders end in a head: clips ``[b, c, t, h, w]`` to logits ``[b, num_classes]``."""

    @abstractmethod
    def load(self, model: VisionTransformer, path: Source, *, new_head: bool = False) -> list[str]:
        """Fill a model with published weights, or with those that this project has exported.

        Args:
            model: From :meth:`build`.
            path: The checkpoint, which :func:`~vidtldr.models.checkpoint.read_state_dict` reads; ``str`` is its name.
            new_head: Keep the model's fresh head.

        Returns:
            The entries of the file that the model has no use for.

        Raises:
            UserError: The file cannot be read, or an entry of file or model is unaccounted for.
        """


BACKBONES: dict[str, Backbone] = {}
"""Each published size that :func:`register_backbone` has seen, with the family that it is of."""

BackboneT = TypeVar("BackboneT", bound=type[Backbone])


def register_backbone(family: BackboneT) -> BackboneT:
    """Let configs name the sizes of a family; a decorator of its class.

    Raises:
        ValueError: A size is called like one of another family.
    """
    for name in family.sizes:
        known = type(BACKBONES[name]) if name in BACKBONES else family
        if (known.__module__, known.__qualname__) != (family.__module__, family.__qualname__):  # not one reloaded
            raise ValueError(f"the backbone {name!r} of {family.__qualname__} is one of {known.__qualname__} already")
    BACKBONES.update(dict.fromkeys(family.sizes, family()))
    return family
