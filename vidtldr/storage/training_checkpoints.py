"""How training checkpoints are written and read: whole or not at all, and without running code from them."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vidtldr.errors import UserError
from vidtldr.storage.atomic_files import replacing


class SafeCheckpointIO(TorchCheckpointIO):
    """Checkpoints on local disks.

    Lightning's own writes to the system's temporary folder and moves from there, which is a copy where that is another
    file system: a kill would leave half a file in the place of the former one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Replace ``path``.

        Raises:
            UserError: It cannot be written; the former checkpoint is as it was.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):  # a full disk, which torch tells in words of its own
                    raise error.__context__ from None
                raise

    def load_checkpoint(self, path: Any, *_args: Any, **_options: Any) -> dict[str, Any]:
        """Read ``path`` into memory.

        Raises:
            UserError: It is damaged, no checkpoint of a training, or holds what would have to be run to be read.
        """
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # what torch raises on damaged files is not one type
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"cannot go on from {path}: it is damaged or no checkpoint ({reason})") from error
        if not isinstance(content, dict) or "optimizer_states" not in content:
            raise UserError(f"cannot go on from {path}: it holds no state of a training; give it as --model.checkpoint")
        return content
