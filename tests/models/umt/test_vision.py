"""The vision encoder, unmerged and under vid-TLDR, against every stored number of the official one."""

import pytest
import torch
from torch import Tensor

from tests.helpers.reference import load, tensor, weights
from vidtldr.merging import Base, LayerRecord, VidTLDR, merging
from vidtldr.models.positions import Grid
from vidtldr.models.umt import UMTVisionEncoder
from vidtldr.models.umt.checkpoint import convert_umt

_TINY = load("umt_tiny")


def _encoder(made_for_frames: int = 8) -> UMTVisionEncoder:
    official = {f"vision_encoder.{key}": value for key, value in weights(_TINY).items()}
    state, unused = convert_umt(official)
    assert not unused
    encoder = UMTVisionEncoder(num_frames=8, image_size=64, width=64, depth=4, num_heads=4)
    encoder.stretch_positions(Grid(made_for_frames, 4, 4))
    encoder.load_state_dict({key.removeprefix("vision_encoder."): value for key, value in state.items()})
    return encoder.eval()


def _run(case: str, encoder: UMTVisionEncoder) -> tuple[Tensor, Tensor, list[LayerRecord]]:
    schedule = [int(r) if r >= 1 else r for r in _TINY[f"{case}/r"].tolist()] if f"{case}/r" in _TINY else None
    records: list[LayerRecord] = []
    method = VidTLDR(schedule) if schedule else Base()
    with torch.no_grad(), merging(encoder, method, observer=records.append):
        tokens, pooled = encoder(tensor(_TINY, "input"))
    return tokens, pooled, records


def _close(actual: Tensor, key: str, tolerance: float) -> None:
    torch.testing.assert_close(actual, tensor(_TINY, key), atol=tolerance, rtol=0, msg=lambda text: f"{key}: {text}")


@pytest.mark.parametrize("case", ["base", "fixed", "ratio", "interp"])
def test_tokens_and_pooled_feature_equal_the_official_ones(case: str) -> None:
    tokens, pooled, records = _run(case, _encoder(made_for_frames=4 if case == "interp" else 8))
    _close(tokens, f"{case}/tokens", 1e-4)
    _close(pooled.unsqueeze(1), f"{case}/pooled", 2e-5)
    for record in records:
        _close(record.tokens, f"{case}/block{record.layer}", 1e-4)


@pytest.mark.parametrize("case", ["fixed", "ratio"])
def test_decisions_masses_and_saliency_equal_the_official_ones_in_every_layer(case: str) -> None:
    _, _, records = _run(case, _encoder())
    assert sum(record.plan is not None for record in records) == (3 if case == "fixed" else 2)
    for record in records:
        i = record.layer
        _close(record.mass, f"{case}/size{i}", 1e-4)
        if record.plan is None:
            assert f"{case}/src_idx{i}" not in _TINY
            continue
        assert torch.equal(record.plan.unmerged, tensor(_TINY, f"{case}/unm_idx{i}"))
        assert torch.equal(record.plan.source, tensor(_TINY, f"{case}/src_idx{i}"))
        assert torch.equal(record.plan.target, tensor(_TINY, f"{case}/dst_idx{i}"))
        _close(record.sharpness, f"{case}/sharpness{i}", 2e-5)
        _close(record.source_weight, f"{case}/saliency{i}", 2e-5)


def test_the_source_trace_equals_the_official_one() -> None:
    _, _, records = _run("fixed", _encoder())
    trace = torch.zeros(2, 58, 128).scatter_(1, records[-1].owner.unsqueeze(1), records[-1].share.unsqueeze(1))
    _close(trace, "fixed/source", 1e-5)


def test_position_tables_equal_the_official_ones() -> None:
    assert torch.equal(_encoder().positions, tensor(_TINY, "pos_embed"))
    _close(_encoder(made_for_frames=4).positions, "interp/pos_embed", 1e-6)
    single = UMTVisionEncoder(num_frames=1, image_size=64, width=64, depth=1, num_heads=4)
    assert torch.equal(single.positions, tensor(_TINY, "img_pos_embed"))
    assert "positions" not in _encoder().state_dict()


def test_a_clip_of_another_shape_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"clips of shape \(3, 4, 64, 64\) given, the model takes \(3, 8, 64, 64\)"):
        _encoder()(torch.zeros(1, 3, 4, 64, 64))
    with pytest.raises(ValueError, match="8 frames of 60 px do not divide into tubelets of 1 frames x 16 px"):
        UMTVisionEncoder(num_frames=8, image_size=60)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_and_stays_near_float32(dtype: torch.dtype) -> None:
    encoder = _encoder()
    with torch.no_grad(), merging(encoder, VidTLDR([40, 20, 10])):
        _, exact = encoder(tensor(_TINY, "input"))
        _, half = encoder.to(dtype)(tensor(_TINY, "input").to(dtype))
    assert half.dtype == dtype
    # A flipped decision at the cut may move a pooled value of random weights by 0.05 (reference notes).
    assert (half.float() - exact).abs().max() < 0.3
