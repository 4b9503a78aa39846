"""The small ViFi-CLIP whose official outputs stand in ``tests/data/vifi_clip.npz``."""

from torch import Tensor

from tests.helpers.reference import load, tensor
from vidtldr.models.vifi_clip import ViFiCLIP, ViFiCLIPSize

SIZE = ViFiCLIPSize(
    width=64,
    depth=4,
    num_heads=4,
    patch_size=16,
    joint_dim=32,
    text_width=64,
    text_layers=4,
    text_heads=2,
    context_length=16,
    vocab_size=300,
)
IMAGE_SIZE = 64
TABLE = "token_embedding.weight"


def tiny_model() -> ViFiCLIP:
    """A model of that size with random weights."""
    return ViFiCLIP(SIZE, image_size=IMAGE_SIZE).eval()


def vifi_entries() -> dict[str, Tensor]:
    """Entries of an official ViFi-CLIP file, without the leading ``module.``."""
    stored = load("vifi_clip")
    return {key.removeprefix("sd/"): tensor(stored, key) for key in stored if key.startswith("sd/")}


def openai_entries() -> dict[str, Tensor]:
    """The same weights and the table of token embeddings under OpenAI's names."""
    names = {"image_encoder.": "visual.", "text_encoder.": ""}
    entries = {TABLE: tensor(load("vifi_clip"), f"clip/{TABLE}")}
    for key, value in vifi_entries().items():
        if not key.startswith("prompt_learner."):
            prefix = next((prefix for prefix in names if key.startswith(prefix)), "")
            entries[names.get(prefix, "") + key.removeprefix(prefix)] = value
    return entries
