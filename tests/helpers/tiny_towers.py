"""Small pairs of towers as the libraries write them, with their tokenizers, for whole commands."""

import json
from pathlib import Path

import torch
from torch import nn

WORDS = (
    "a", "photo", "video", "of", "person", "red", "green", "blue", "white", "shape", "moves", "left", "right", "slowly",
    "apply", "lipstick", "handstand", "pushups", "typing",
)  # fmt: skip
IMAGE_SIZE, CONTEXT = 32, 16
VOCABULARY = len(WORDS) + 4
_TEXT = {
    "bos_token_id": VOCABULARY - 2, "eos_token_id": VOCABULARY - 1, "pad_token_id": 0,
    "hidden_size": 24, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": CONTEXT, "vocab_size": VOCABULARY,
}  # fmt: skip
_VISION = {
    "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2,
    "image_size": IMAGE_SIZE, "patch_size": 8,
}  # fmt: skip
STATISTICS = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.25]}


def write_tokenizer(folder: Path) -> None:
    """A tokenizer of words, whose end token is its last one."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    entries = ["<pad>", "<unk>", *WORDS, "<start>", "<end>"]
    numbers = {word: number for number, word in enumerate(entries)}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    words.normalizer, words.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[(name, numbers[name]) for name in ("<start>", "<end>")]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", bos_token="<start>", eos_token="<end>"
    ).save_pretrained(folder)


def write_hugging_face(folder: Path, kind: str) -> nn.Module:
    """``clip`` or ``siglip`` of random weights, saved by transformers with tokenizer and pixel statistics."""
    from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

    torch.manual_seed(0)
    if kind == "clip":
        model = CLIPModel(CLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=20))
    else:
        text = {**_TEXT, "intermediate_size": 80, "projection_size": 32}
        model = SiglipModel(SiglipConfig(text_config=text, vision_config={**_VISION, "intermediate_size": 100}))
    _spread(model)
    model.eval().save_pretrained(folder)
    write_tokenizer(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(STATISTICS))
    return model


def write_open_clip(folder: Path) -> nn.Module:
    """CLIP of random weights as open_clip keeps it in a folder, with the tokenizer of transformers beside it."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    config = {
        "embed_dim": 20,
        "vision_cfg": {"image_size": IMAGE_SIZE, "layers": 4, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": 24, "heads": 2, "layers": 2},
    }
    model = open_clip.CLIP(**config).eval()
    _spread(model)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    preprocess = {"mean": STATISTICS["image_mean"], "std": STATISTICS["image_std"]}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    write_tokenizer(folder)
    return model


def _spread(model: nn.Module) -> None:
    """Biases and norms that are not at their defaults, so that one left out shows."""
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.05)
