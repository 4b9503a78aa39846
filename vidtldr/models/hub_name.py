"""Names of models on the Hugging Face hub, as checkpoints are given. Standard library only: typos are answered at once.

>>> parse_hub_name("OpenGVLab/UMT@main:single_modality/b16.pth")
HubName(repo='OpenGVLab/UMT', revision='main', file='single_modality/b16.pth')
>>> parse_hub_name("weights/b16.pth") is None  # a file, even where it does not exist
True
"""

import re
from dataclasses import dataclass
from pathlib import Path

_PART = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_NAME = re.compile(rf"(?P<repo>{_PART}/{_PART})(?:@(?P<revision>[\w./-]+))?(?::(?P<file>[^:]+))?", re.ASCII)
_FILE_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".json", ".tar")


@dataclass(frozen=True)
class HubName:
    """A repository of the hub, or one file of it.

    Attributes:
        repo: ``organisation/model``.
        revision: A branch, a tag or a commit; None for the main branch.
        file: The file with the weights; None if the repository's usual names tell.
    """

    repo: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.repo}{revision}" + (f":{self.file}" if self.file else "")


def parse_hub_name(text: str) -> HubName | None:
    """Read ``org/name``, ``org/name@revision``, ``org/name:file`` or ``org/name@revision:file``.

    Returns:
        The name; None where the text means a file or folder: one that exists, or one called like a weight file.
    """
    found = _NAME.fullmatch(text)
    if found is None or found["repo"].endswith(_FILE_SUFFIXES) or Path(text).exists():
        return None
    return HubName(**found.groupdict())
