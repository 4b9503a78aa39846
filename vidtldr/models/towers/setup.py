"""A pair of towers by the names that people give it: what it is, how its pixels are normalised, how it reads texts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import Checkpoint, Choice, Source, find_checkpoint, one_line
from vidtldr.models.hub_name import parse_hub_name
from vidtldr.models.pixels import PixelNorm
from vidtldr.models.sizes import named_size
from vidtldr.models.towers.libraries import told_size
from vidtldr.models.towers.open_clip_names import PREFIX, open_clip_checkpoint
from vidtldr.models.towers.pair import SigLIPPair, TowerPair, build_pair
from vidtldr.models.towers.siglip_checkpoint import load_siglip
from vidtldr.models.towers.sizes import CLIP_SIZES, SIGLIP_SIZES, PairSize, SigLIPSize
from vidtldr.models.towers.texts import CLIP_VOCABULARY, Tokenizer, clip_tokenizer, folder_tokenizer, has_tokenizer
from vidtldr.models.vifi_clip import VIFI_CLIP_SIZES, load_vifi_clip

BACKBONES: Mapping[str, PairSize] = {**CLIP_SIZES, **SIGLIP_SIZES, **VIFI_CLIP_SIZES}
"""Sizes by name, for checkpoints that do not tell their own."""

AUTO = "auto"
"""In place of such a name: the config beside the checkpoint tells."""

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Means and standard deviations of red, green and blue, on a scale of 0 to 1."""

CLIP_STATISTICS: Statistics = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIGLIP_STATISTICS: Statistics = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


class PairPixelNorm(PixelNorm):
    """Scale 8-bit RGB to [0, 1] and normalise with the statistics of a pair."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in statistics)


@dataclass(frozen=True)
class PairSetup:
    """All that is known of a pair before its weights are read.

    Attributes:
        size: Widths and depths.
        checkpoint: Its weights; None for random ones.
        statistics: Of its pixels.
        image_size: Height and width of a frame that its position table was made for; None if nothing tells.
    """

    size: PairSize
    checkpoint: Checkpoint | None
    statistics: Statistics
    image_size: int | None = None

    def build(self, image_size: int) -> TowerPair:
        """The pair with random weights, for frames of a size."""
        return build_pair(self.size, image_size=image_size)

    def tokenizer(self, name: str | None = None) -> Tokenizer:
        """How it reads texts.

        Args:
            name: ``clip`` for CLIP's own byte-pair encoding, or a folder or hub name of a tokenizer. None takes what is
                beside the weights, or CLIP's own where nothing is.

        Raises:
            UserError: There is none, or it does not fit the text tower.
        """
        if name == "clip":
            return clip_tokenizer(self.size)
        if name is not None:
            return folder_tokenizer(name, self.size)
        return self._own_tokenizer()

    def _own_tokenizer(self) -> Tokenizer:
        weights = self.checkpoint
        is_clip = not isinstance(self.size, SigLIPSize) and self.size.vocab_size == CLIP_VOCABULARY
        if weights is not None and weights.name.startswith(PREFIX) and not is_clip:
            return _open_clip_tokenizer(weights.name.removeprefix(PREFIX).partition("/")[0], weights.name)
        folder = weights.files[0].parent if weights is not None else None
        if folder is not None and has_tokenizer(folder):
            return folder_tokenizer(folder, self.size)
        if is_clip:
            return clip_tokenizer(self.size)
        if weights is not None and not Path(weights.name).exists() and parse_hub_name(weights.name):
            return folder_tokenizer(weights.name, self.size)
        raise UserError(f"no tokenizer lies beside checkpoint '{weights}': give one as --model.tokenizer")


def find_pair(
    backbone: str,
    checkpoint: str | None,
    *,
    size: Mapping[str, Any] | None = None,
    weights: Choice = "plain",
) -> PairSetup:
    """What a pair is, by the names in a config.

    Args:
        backbone: One of :data:`BACKBONES`, or :data:`AUTO`.
        checkpoint: A file, a folder of transformers or open_clip, a model of the hub, ``open_clip:MODEL/TAG``; None for
            random weights.
        size: Single sizes that differ from those of the backbone.
        weights: ``ema`` takes the averaged weights of a file that has them beside the plain ones.

    Raises:
        UserError: The checkpoint cannot be found, or nothing tells what it is.
        ValueError: The backbone or a size is unknown.
    """
    found = None
    if checkpoint is not None:
        found = (
            open_clip_checkpoint(checkpoint) if checkpoint.startswith(PREFIX) else find_checkpoint(checkpoint, weights)
        )
    if backbone != AUTO:
        of_size = named_size(BACKBONES, backbone, size)
        return PairSetup(
            of_size, found, _statistics(of_size, found, vifi=backbone in VIFI_CLIP_SIZES), _told_side(found)
        )
    told = told_size(found.config, str(found)) if found is not None else None
    if told is None:
        where = f"no config beside checkpoint '{found}' tells" if found is not None else "nothing tells"
        raise UserError(f"{where} which pair of towers this is: set --model.backbone to one of {', '.join(BACKBONES)}")
    of_size = named_size({AUTO: told}, AUTO, size)
    return PairSetup(of_size, found, _statistics(of_size, found), _told_side(found))


def load_pair(model: TowerPair, source: Source) -> list[str]:
    """Load weights into a pair; returns the entries of the file that it has no use for.

    Raises:
        UserError: The file cannot be read, or an entry of file or model is unaccounted for.
    """
    load: Callable[..., list[str]] = load_siglip if isinstance(model, SigLIPPair) else load_vifi_clip
    return load(model, source)


def _statistics(size: PairSize, found: Checkpoint | None, *, vifi: bool = False) -> Statistics:
    """Those beside the weights, or of the family."""
    beside = _preprocessing(found) if found is not None else {}
    mean, std = (beside.get(f"image_{kind}", beside.get(kind)) for kind in ("mean", "std"))
    if mean is not None and std is not None:
        try:
            told = tuple(map(float, mean)), tuple(map(float, std))
        except (TypeError, ValueError):
            told = (), ()
        if len(told[0]) != 3 or len(told[1]) != 3 or min(told[1]) <= 0:
            raise UserError(f"the pixel statistics beside checkpoint '{found}' are not three means and deviations")
        return told
    if vifi:
        return PixelNorm.MEAN, PixelNorm.STD
    return SIGLIP_STATISTICS if isinstance(size, SigLIPSize) else CLIP_STATISTICS


def _preprocessing(found: Checkpoint) -> Mapping[str, Any]:
    if isinstance(found.config.get("preprocess_cfg"), Mapping):
        return found.config["preprocess_cfg"]
    file = found.files[0].parent / "preprocessor_config.json"
    if not found.config or not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"'{file}' cannot be read as JSON ({one_line(error)})") from error
    return content if isinstance(content, dict) else {}


def _told_side(found: Checkpoint | None) -> int | None:
    """Height and width of a frame by the config, or by what a file of this project tells."""
    if found is None:
        return None
    config: Any = found.config.get("model_cfg") or found.config
    vision = config.get("vision_cfg") or config.get("vision_config") or {}
    side = vision.get("image_size") if isinstance(vision, Mapping) else None
    return side if isinstance(side, int) else found.image_size


def _open_clip_tokenizer(model: str, name: str) -> Tokenizer:
    import open_clip

    try:
        tokenizer: Tokenizer = open_clip.get_tokenizer(model)
    except Exception as error:  # transformers and its hub client let theirs through
        raise UserError(
            f"the tokenizer of '{name}' cannot be had ({one_line(error)}): give one as --model.tokenizer"
        ) from error
    return tokenizer
