"""Every form in which the weights circulate leads to the same model, and what does not fit is said."""

import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.helpers.reference import load, tensor
from tests.helpers.vifi_clip import SIZE, TABLE, openai_entries, tiny_model, vifi_entries
from vidtldr.errors import UserError
from vidtldr.models.vifi_clip import ViFiCLIP, load_vifi_clip

_TINY = load("vifi_clip")
_quiet_tracing = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning"
)


def _assert_official_logits(model: ViFiCLIP, tolerance: float = 1e-4) -> None:
    with torch.no_grad():
        logits = model.logits(model.encode_video(tensor(_TINY, "video")), model.encode_text(tensor(_TINY, "tokens")))
    torch.testing.assert_close(logits, tensor(_TINY, "base/logits"), atol=tolerance, rtol=0)


def _loaded(path: Path, content: object, token_embedding: Path | None = None) -> tuple[ViFiCLIP, list[str]]:
    torch.save(content, path)
    model = tiny_model()
    return model, load_vifi_clip(model, path, token_embedding)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    torch.save(openai_entries(), tmp_path / "original.pt")
    return tmp_path / "original.pt"


def _write_official(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the official code leaves it: saved in DistributedDataParallel, beside the options of the run."""

    class CfgNode(dict):
        """Stands for the class of yacs, with the same attributes beside its items."""

        def __init__(self, items: dict) -> None:
            super().__init__(items)
            self.__dict__.update(__immutable__=True, __deprecated_keys__=set(), __renamed_keys__={})

    CfgNode.__module__, CfgNode.__qualname__ = "yacs.config", "CfgNode"
    package, module = types.ModuleType("yacs"), types.ModuleType("yacs.config")
    module.CfgNode = CfgNode  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "yacs", package)
        patch.setitem(sys.modules, "yacs.config", module)
        weights = {f"module.{key}": value for key, value in vifi_entries().items()}
        options = CfgNode({"TRAIN": CfgNode({"LR": 8e-6}), "AUG": ["x"]})
        content = {"model": weights, "optimizer": {"state": {}}, "max_accuracy": 78.3, "epoch": 10, "config": options}
        torch.save(content, path)
    return path


def test_an_official_file_loads_with_the_token_embeddings_of_the_original_clip(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model()
    unused = load_vifi_clip(model, _write_official(tmp_path / "vifi.pth", monkeypatch), token_embedding=original)
    assert unused == ["prompt_learner.complete_text_embeddings"]
    _assert_official_logits(model)


def test_token_embeddings_must_be_given_exactly_where_they_are_missing(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = _write_official(tmp_path / "vifi.pth", monkeypatch)
    with pytest.raises(UserError, match=r"vifi.pth' holds no token embeddings .*: give .* as token_embedding"):
        load_vifi_clip(tiny_model(), official)
    with pytest.raises(UserError, match=r"vifi.pth', given as token_embedding, holds no token embeddings"):
        load_vifi_clip(tiny_model(), official, token_embedding=official)
    with pytest.raises(UserError, match=r"original.pt' holds its own token embeddings: leave token_embedding out"):
        load_vifi_clip(tiny_model(), original, token_embedding=original)
    with pytest.raises(UserError, match=r"checkpoint '.*none.pt' does not exist"):
        load_vifi_clip(tiny_model(), official, token_embedding=tmp_path / "none.pt")
    torch.save({TABLE: torch.zeros(300, 32)}, tmp_path / "narrow.pt")
    with pytest.raises(UserError, match=r"checkpoint '.*narrow.pt' does not fit .*\(300, 32\) instead of \(300, 64\)"):
        load_vifi_clip(tiny_model(), official, token_embedding=tmp_path / "narrow.pt")


@pytest.mark.parametrize("key", ["prompt_learner.ctx", "module.prompt_learner.token_prefix", "image_encoder.VPT"])
def test_the_variant_with_learned_prompts_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"learned prompts \({key}\).*fully fine-tuned"):
        _loaded(tmp_path / "prompted.pth", {"model": vifi_entries() | {key: torch.zeros(2)}})


def test_openai_entries_load_in_half_precision_with_their_settings(tmp_path: Path) -> None:
    settings = {"input_resolution": torch.tensor(64), "context_length": torch.tensor(16)}
    settings["vocab_size"] = torch.tensor(300)
    half = {key: value.half() for key, value in openai_entries().items()}
    model, unused = _loaded(tmp_path / "clip.pt", half | settings)
    assert sorted(unused) == ["context_length", "input_resolution", "vocab_size"]
    assert model.state_dict()["vision_encoder.pos_embed"].dtype == torch.float32
    _assert_official_logits(model, tolerance=0.02)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_open_clip_entries_load_with_or_without_their_mask(prefix: str, tmp_path: Path) -> None:
    entries = openai_entries() | {"attn_mask": torch.zeros(16, 16)}
    model, unused = _loaded(tmp_path / "a.pt", {"state_dict": {prefix + key: v for key, v in entries.items()}})
    assert unused == ["attn_mask"]
    _assert_official_logits(model)
    save_file(openai_entries(), tmp_path / "a.safetensors")
    assert load_vifi_clip(tiny_model(), tmp_path / "a.safetensors") == []


def test_a_training_checkpoint_and_an_exported_file_load_again(tmp_path: Path) -> None:
    model, _ = _loaded(tmp_path / "clip.pt", openai_entries())
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    content = {f"model.{key}": value for key, value in state.items()} | {"accuracy.correct": torch.zeros(1)}
    again, unused = _loaded(tmp_path / "last.ckpt", {"state_dict": content, "epoch": 3})
    assert unused == []
    _assert_official_logits(again)
    assert torch.equal(again.token_embedding.weight, openai_entries()[TABLE])
    save_file(state, tmp_path / "exported.safetensors")
    exported = tiny_model()
    assert load_vifi_clip(exported, tmp_path / "exported.safetensors") == []
    for key, value in state.items():
        assert torch.equal(exported.state_dict()[key], value), key


def test_a_hugging_face_file_gives_the_features_of_its_own_library(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    common = {"hidden_size": 64, "intermediate_size": 256, "hidden_act": "quick_gelu", "num_hidden_layers": 4}
    vision = {"num_attention_heads": 4, "image_size": 64, "patch_size": 16}
    text = {"num_attention_heads": 2, "vocab_size": 300, "max_position_embeddings": 16, "eos_token_id": 299}
    config = transformers.CLIPConfig(text_config=common | text, vision_config=common | vision, projection_dim=32)
    torch.manual_seed(0)
    clip = transformers.CLIPModel(config).eval()
    clip.save_pretrained(tmp_path)
    model = tiny_model()
    assert load_vifi_clip(model, tmp_path / "model.safetensors") == []
    frames, tokens = tensor(_TINY, "video").flatten(0, 1), tensor(_TINY, "tokens")
    with torch.no_grad():
        expected = clip(input_ids=tokens, pixel_values=frames).logits_per_image
        actual = model.logits(model.encode_video(frames.unsqueeze(1)), model.encode_text(tokens))
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def test_a_hugging_face_file_without_keys_names_what_is_missing(tmp_path: Path) -> None:
    query = "vision_model.encoder.layers.0.self_attn.q_proj.bias"
    with pytest.raises(UserError, match=rf"odd.pt' has {query} but no .*\.k_proj\.bias"):
        _loaded(tmp_path / "odd.pt", {query: torch.zeros(64)})


class _ArchivedCLIP(open_clip.model.CLIP):
    """The settings among the tensors, as in the archives of OpenAI."""

    def __init__(self) -> None:
        vision = {"image_size": 64, "layers": 4, "width": 64, "head_width": 16, "patch_size": 16}
        text = {"context_length": 16, "vocab_size": 300, "width": 64, "heads": 2, "layers": 4}
        super().__init__(SIZE.joint_dim, vision, text, quick_gelu=True)
        self.load_state_dict(openai_entries())
        self.register_buffer("input_resolution", torch.tensor(64))


def _write_archive(path: Path) -> Path:
    clip = _ArchivedCLIP().eval()
    example = (torch.zeros(1, 3, 64, 64), torch.zeros(1, 16, dtype=torch.int64))
    torch.jit.save(torch.jit.trace(clip, example, check_trace=False).half(), str(path))
    return path


def _rewritten(path: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, change(name, source.read(name)))
    return target


@_quiet_tracing
def test_an_archive_of_openai_is_read_and_none_of_its_code_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _write_archive(tmp_path / "ViT.pt")
    spoilt = _rewritten(archive, tmp_path / "code.pt", lambda name, data: b"?" if "/code/" in name else data)
    for path in (archive, spoilt):
        model = tiny_model()
        assert sorted(load_vifi_clip(model, path)) == ["attn_mask", "input_resolution"]
        _assert_official_logits(model, tolerance=0.02)
    official = tiny_model()
    load_vifi_clip(official, _write_official(tmp_path / "vifi.pth", monkeypatch), token_embedding=archive)
    _assert_official_logits(official, tolerance=0.02)


@_quiet_tracing
def test_an_archive_with_code_in_its_pickle_or_without_tensors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = _write_archive(tmp_path / "ViT.pt")
    evil = b"cpathlib\nPath.touch\n(cpathlib\nPath\n(Vexecuted\ntRtR."
    changes = {
        "it names pathlib.Path": lambda name, data: evil if name.endswith("/data.pkl") else data,
        "pickle data was truncated": lambda name, data: data[:50] if name.endswith("/data.pkl") else data,
        "requiring a storage size": lambda name, data: data[:4] if "/data/" in name else data,
    }
    for reason, change in changes.items():
        path = _rewritten(archive, tmp_path / "bad.pt", change)
        with pytest.raises(UserError, match=rf"bad.pt' is a TorchScript archive .*{reason}.*take CLIP as") as caught:
            load_vifi_clip(tiny_model(), path)
        assert "\n" not in str(caught.value)
    assert not Path("executed").exists()
    cut = tmp_path / "cut.pt"
    cut.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"checkpoint '.*cut.pt' is"):
        load_vifi_clip(tiny_model(), cut)


def test_every_entry_is_accounted_for(tmp_path: Path) -> None:
    lacking, added, reshaped, foreign = openai_entries(), openai_entries(), openai_entries(), {"fc.bias": torch.ones(1)}
    del lacking["visual.ln_post.bias"], lacking[TABLE]
    added["visual.transformer.resblocks.4.ln_1.weight"] = torch.zeros(64)
    reshaped["visual.proj"] = torch.zeros(64, 33)
    for entries, message in (
        (lacking, r"does not fit this model: 2 missing \(vision_encoder.fc_norm.bias, text_encoder.token_embedding"),
        (added, r"1 unexpected \(vision_encoder.blocks.4.norm1.weight\)"),
        (reshaped, r"1 of another shape \(vision_encoder.head.weight \(33, 64\) instead of \(32, 64\)\)"),
        (foreign, r"\d+ missing .*; 1 unexpected \(text_encoder.fc.bias\)"),
    ):
        with pytest.raises(UserError, match=message):
            _loaded(tmp_path / "bad.pth", entries)


def test_stored_weights_are_those_of_the_reference_notes() -> None:
    entries: dict[str, Tensor] = {**vifi_entries(), TABLE: openai_entries()[TABLE]}
    for name, (first, total, absolute) in zip(_TINY["fingerprint_names"], _TINY["fingerprint"]):
        values = entries[str(name)].double().flatten()
        assert [values[0], values.sum(), values.abs().sum()] == pytest.approx([first, total, absolute], abs=1e-6), name
