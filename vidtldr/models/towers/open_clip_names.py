"""Models that open_clip knows by name: ``open_clip:ViT-B-16/openai``."""

import difflib
import re
from pathlib import Path
from typing import Any

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import Checkpoint, one_line

PREFIX = "open_clip:"


def open_clip_checkpoint(name: str) -> Checkpoint:
    """The weights of a model of open_clip, downloaded by it unless its cache has them, with the config of the model.

    Args:
        name: ``open_clip:MODEL/TAG``, as ``open_clip.list_pretrained()`` has them; the tag may be a file.

    Raises:
        UserError: open_clip knows no such model or tag, or the weights cannot be had.
    """
    import open_clip  # takes seconds
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    model, _, tag = name.removeprefix(PREFIX).partition("/")
    config: dict[str, Any] | None = open_clip.get_model_config(model)
    if config is None:
        near = difflib.get_close_matches(model, open_clip.list_models(), 3) or ["ViT-B-16"]
        raise UserError(f"checkpoint '{name}': open_clip has no model {model!r}; near it are {', '.join(near)}")
    if re.search("-quickgelu$", model):
        config = config | {"quick_gelu": True}
    if Path(tag).is_file():
        return Checkpoint(name, (Path(tag),), config={"model_cfg": config})
    told: dict[str, Any] = get_pretrained_cfg(model, tag)
    if not told:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise UserError(f"checkpoint '{name}': open_clip has no weights {tag!r} of {model}; it has {tags}")
    try:
        file = Path(download_pretrained(told))
    except Exception as error:  # its downloads let errors of three libraries through
        raise UserError(f"checkpoint '{name}' cannot be downloaded ({one_line(error)})") from error
    if "quick_gelu" in told:
        config = config | {"quick_gelu": told["quick_gelu"]}
    return Checkpoint(name, (file,), config={"model_cfg": config, "preprocess_cfg": told})
