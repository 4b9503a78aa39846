"""The classifier, unmerged and under both methods, against every stored number of the official code."""

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.reference import load, tensor, weights
from vidtldr.merging import Base, LayerRecord, Method, ToMe, VidTLDR, merging, saliency, sharpness
from vidtldr.models.videomae import VIDEOMAE_SIZES, VideoMAE, VideoMAESize, convert_videomae, videomae_size

_TINY = load("videomae")
_METHODS: dict[str, Method] = {
    "base": Base(),
    "tome": ToMe(6),
    "tome_noprop_min": ToMe(6, proportional_attention=False),
    "tome_xmetric_min": ToMe(6, metric="tokens"),
    "tome_overcap_min": ToMe(50),
    "vidtldr": VidTLDR([24, 12, 0, 0]),
    "vidtldr_ratio_min": VidTLDR([0.4, 0.2, 0, 0]),
    "vidtldr_overcap_min": VidTLDR([100, 12, 0, 0]),
    "vidtldr_late_min": VidTLDR([0, 10, 0, 8]),
}


def _model() -> VideoMAE:
    model = VideoMAE(VideoMAESize(width=64, depth=4, num_heads=4), num_classes=7, num_frames=8, image_size=64)
    state, unused = convert_videomae(weights(_TINY))
    assert not unused
    model.load_state_dict(state)
    return model.eval()


def _run(case: str) -> tuple[Tensor, list[LayerRecord]]:
    records: list[LayerRecord] = []
    model = _model()
    with torch.no_grad(), merging(model, _METHODS[case], observer=records.append):
        return model(tensor(_TINY, "input")), records


def _close(actual: Tensor, key: str, tolerance: float) -> None:
    torch.testing.assert_close(actual, tensor(_TINY, key), atol=tolerance, rtol=0, msg=lambda text: f"{key}: {text}")


@pytest.mark.parametrize("case", _METHODS)
@pytest.mark.filterwarnings("ignore:r=.*exceeds half")
def test_logits_and_token_counts_equal_the_official_ones(case: str) -> None:
    logits, records = _run(case)
    _close(logits, f"{case}/logits", 1e-4)
    assert [record.tokens.shape[1] for record in records] == tensor(_TINY, f"{case}/tokens").tolist()


@pytest.mark.parametrize("case", ["base", "tome", "vidtldr"])
def test_every_block_the_mean_and_its_norm_equal_the_official_ones(case: str) -> None:
    _, records = _run(case)
    for record in records:
        _close(record.tokens, f"{case}/block{record.layer}", 2e-4)
    tokens, model = records[-1].tokens, _model()
    with torch.no_grad():
        _close(model.pool(tokens), f"{case}/pooled", 1e-4)
        _close(model.forward_head(tokens, pre_logits=True), f"{case}/fc_norm", 1e-4)


@pytest.mark.parametrize("case", ["tome", "vidtldr"])
def test_masses_and_the_source_trace_equal_the_official_ones(case: str) -> None:
    _, records = _run(case)
    for record in records:
        _close(record.mass.unsqueeze(-1), f"{case}/size{record.layer}", 1e-4)
    last = records[-1]
    trace = torch.zeros(2, last.tokens.shape[1], 64).scatter_(1, last.owner.unsqueeze(1), last.share.unsqueeze(1))
    _close(trace, f"{case}/source", 1e-5)


def test_saliency_equals_the_official_one_at_each_merge() -> None:
    _, records = _run("vidtldr")
    weights_of_merges = [record.source_weight for record in records if record.plan is not None]
    assert len(weights_of_merges) == 2
    for merge, weight in enumerate(weights_of_merges):
        _close(weight.unsqueeze(-1), f"vidtldr/saliency{merge}", 1e-4)


def test_saliency_of_one_attention_map_equals_the_official_one() -> None:
    _close(saliency(sharpness(tensor(_TINY, "saliency/attn"))).unsqueeze(-1), "saliency/score", 1e-5)


def test_embedding_and_position_table_equal_the_official_ones() -> None:
    model = _model()
    with torch.no_grad():
        _close(model._pos_embed(model.patch_embed(tensor(_TINY, "input"))), "base/embed", 1e-5)
    assert torch.equal(model.positions, tensor(_TINY, "pos_embed"))
    assert "positions" not in model.state_dict()


def test_the_mean_over_merged_tokens_is_plain_and_not_weighted_by_mass() -> None:
    logits, _ = _run("vidtldr")
    assert (logits - tensor(_TINY, "vidtldr/logits_sizepool")).abs().max() > 1e-2


def test_dropout_acts_on_the_head_in_training_alone() -> None:
    size = VideoMAESize(width=32, depth=1, num_heads=2)
    model = VideoMAE(size, num_classes=3, num_frames=2, image_size=16, head_dropout=0.9)
    nn.init.normal_(model.head.weight)
    clip = torch.randn(1, 3, 2, 16, 16)
    with torch.no_grad():
        assert not torch.equal(model.train()(clip), model(clip))
        assert torch.equal(model.eval()(clip), model(clip))
        assert torch.equal(model.train().forward_features(clip), model.forward_features(clip))


def test_stochastic_depth_grows_up_to_the_last_block() -> None:
    size = VideoMAESize(width=32, depth=3, num_heads=2)
    blocks = VideoMAE(size, num_classes=3, num_frames=2, image_size=16, drop_path=0.2).blocks
    assert [getattr(block.drop_path1, "drop_prob", 0.0) for block in blocks] == pytest.approx([0.0, 0.1, 0.2])


def test_a_clip_of_another_shape_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"clips of shape \(3, 4, 64, 64\) given, the model takes \(3, 8, 64, 64\)"):
        _model()(torch.zeros(1, 3, 4, 64, 64))
    with pytest.raises(ValueError, match="5 frames of 224 px do not divide into tubelets of 2 frames x 16 px"):
        VideoMAE(VideoMAESize(), num_classes=7, num_frames=5)


@pytest.mark.parametrize("name", VIDEOMAE_SIZES)
def test_the_published_sizes_have_the_published_entries(name: str) -> None:
    size = VIDEOMAE_SIZES[name]
    with torch.device("meta"):
        model = VideoMAE(size, num_classes=400)
    # 2 of the embedding, 13 of a block (ours joins q_bias and v_bias into one), 4 of the head.
    assert len(model.state_dict()) == 2 + 12 * size.depth + 4
    assert model.patch_embed.num_patches == 1568
    assert size.width // size.num_heads == {"videomae_h": 80}.get(name, 64)


def test_an_unknown_size_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'videomae_xl': choose from videomae_s, videomae_b"):
        videomae_size("videomae_xl")
    with pytest.raises(ValueError, match="videomae_b has no size 'layers': it has width, depth"):
        videomae_size("videomae_b", {"layers": 3})
    assert videomae_size("videomae_l", {"depth": 3}) == VideoMAESize(width=1024, depth=3, num_heads=16)
