"""A sound checkpoint of each kind, and how it is loaded; one tiny model of each architecture for all cases."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.helpers import tiny_classes, tiny_run, tiny_vqa
from vidtldr.models.checkpoint import save_weights
from vidtldr.models.umt import UMT, load_umt, load_umt_vqa, umt_size
from vidtldr.models.videomae import VideoMAE, load_videomae, videomae_size
from vidtldr.models.vifi_clip import ViFiCLIP, load_vifi_clip, vifi_clip_size


@dataclass(frozen=True)
class Checkpoint:
    """A sound checkpoint.

    Attributes:
        path: The file.
        load: Loads a file of its kind.
    """

    path: Path
    load: Callable[[Path], list[str]]

    def entries(self) -> dict[str, Tensor]:
        """What the file holds, without its wrapper."""
        content = torch.load(self.path, weights_only=True)
        return dict(next((content[key] for key in ("model", "module") if key in content), content))


def write_checkpoints(folder: Path) -> dict[str, Checkpoint]:
    """Write a checkpoint of each kind that ``torch.save`` writes."""
    size = umt_size("umt_b", tiny_run.SIZE)
    umt = UMT(size, num_frames=tiny_run.NUM_FRAMES, image_size=tiny_run.IMAGE_SIZE)
    vqa = tiny_vqa.tiny_model()
    mae = VideoMAE(
        videomae_size("videomae_b", tiny_classes.VIDEOMAE_SIZE),
        num_classes=3,
        num_frames=tiny_classes.NUM_FRAMES,
        image_size=tiny_classes.IMAGE_SIZE,
    )
    clip = ViFiCLIP(vifi_clip_size("vifi_clip_b16", tiny_classes.CLIP_SIZE), image_size=tiny_classes.IMAGE_SIZE)
    openai, (vifi,) = tiny_classes.write_clip_checkpoints(folder)
    return {
        "umt": Checkpoint(tiny_run.write_checkpoint(folder / "umt.pth"), lambda path: load_umt(umt, path)),
        "umt vqa": Checkpoint(tiny_vqa.write_checkpoint(folder / "vqa.pth"), lambda path: load_umt_vqa(vqa, path)),
        "new decoder": Checkpoint(folder / "vqa.pth", lambda path: load_umt_vqa(vqa, path, new_decoder=True)),
        "videomae": Checkpoint(
            tiny_classes.write_videomae_checkpoint(folder / "mae.pth"), lambda path: load_videomae(mae, path)
        ),
        "new head": Checkpoint(folder / "mae.pth", lambda path: load_videomae(mae, path, new_head=True)),
        "vifi-clip": Checkpoint(vifi, lambda path: load_vifi_clip(clip, path, openai)),
        "clip": Checkpoint(openai, lambda path: load_vifi_clip(clip, path)),
        "token embedding": Checkpoint(openai, lambda path: load_vifi_clip(clip, vifi, path)),
    }


def write_other_files(folder: Path, sound: dict[str, Checkpoint]) -> dict[str, Checkpoint]:
    """The same in the other kinds of files: safetensors, torch's format of old, a plain TorchScript archive."""
    others = {}
    for name in ("umt", "videomae", "clip"):
        legacy = folder / f"{name}.old.pth"
        torch.save(torch.load(sound[name].path, weights_only=True), legacy, _use_new_zipfile_serialization=False)
        others[f"{name}, old format"] = Checkpoint(legacy, sound[name].load)
        holder = _Holder(sound[name].entries())
        save_weights(holder, folder / f"{name}.safetensors")
        others[f"{name}, safetensors"] = Checkpoint(folder / f"{name}.safetensors", sound[name].load)
    torch.jit.save(torch.jit.script(_Holder({"logit_scale": torch.zeros(())})), folder / "script.pt")
    others["torchscript"] = Checkpoint(folder / "script.pt", sound["clip"].load)
    return others


class _Holder(nn.Module):
    """A module whose state is what it is given."""

    def __init__(self, entries: dict[str, Tensor]):
        super().__init__()
        for name, value in entries.items():
            module: nn.Module = self
            *parents, last = name.split(".")
            for parent in parents:
                if parent not in module._modules:
                    module.add_module(parent, nn.Module())
                module = module.get_submodule(parent)
            module.register_buffer(last, value)

    def forward(self) -> int:
        return 0
