"""The text encoder against stored outputs of the reference implementation, and against laws of attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.helpers.reference import UMT_TINY_SIZE, load, tensor, weights
from vidtldr.models.umt.text import BertConfig, BertTextEncoder

TINY = UMT_TINY_SIZE.bert_config()


def assert_same_states(actual: Tensor, expected: Tensor) -> None:
    """Float32 rounding of layer-normalised states of about unit size: other kernels differ by some 2e-6."""
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


@pytest.fixture
def reference() -> dict:
    return load("umt_tiny_retrieval")


@pytest.fixture
def encoder(reference: dict) -> BertTextEncoder:
    encoder = BertTextEncoder(TINY).eval()
    encoder.load_state_dict(weights(reference, "text_encoder."), strict=True)
    return encoder.requires_grad_(False)


@pytest.fixture
def ids_and_mask(reference: dict) -> tuple[Tensor, Tensor]:
    return tensor(reference, "input_ids"), tensor(reference, "attention_mask")


@pytest.fixture
def hidden(encoder: BertTextEncoder, ids_and_mask: tuple[Tensor, Tensor]) -> Tensor:
    return encoder.encode_text(*ids_and_mask)


@pytest.fixture
def videos(reference: dict) -> Tensor:
    return tensor(reference, "tldr/vision_embeds")


def outputs_of_layers(layers: list[torch.nn.Module]) -> list[Tensor]:
    outputs: list[Tensor] = []
    for layer in layers:
        layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    return outputs


def test_every_text_layer_gives_the_reference_states(encoder, reference, ids_and_mask):
    outputs = outputs_of_layers(encoder.text_layers)
    embedded = encoder.embeddings(ids_and_mask[0])
    encoded = encoder.encode_text(*ids_and_mask)
    for layer, states in enumerate([embedded, *outputs]):
        assert_same_states(states, tensor(reference, f"text_hidden{layer}"))
    assert_same_states(encoded, tensor(reference, "text_embeds"))
    assert_same_states(encoded[:, 0], tensor(reference, "pooled_text"))


@pytest.mark.parametrize("variant", ["base", "tldr"])
def test_every_fusion_layer_gives_the_reference_states(encoder, reference, ids_and_mask, variant):
    outputs = outputs_of_layers(encoder.fusion_layers)
    video = tensor(reference, f"{variant}/vision_embeds")[1:2]
    fused = encoder.fuse(tensor(reference, f"{variant}/fusion_hidden0"), ids_and_mask[1][3:5], video)
    for layer, states in enumerate(outputs, start=1):
        assert_same_states(states, tensor(reference, f"{variant}/fusion_hidden{layer}"))
    logits = torch.nn.functional.linear(fused[:, 0], *weights(reference, "itm_head.").values())
    assert_same_states(logits, tensor(reference, f"{variant}/fusion_logits"))


@pytest.mark.parametrize("variant", ["base", "tldr"])
def test_matching_scores_of_all_pairs_are_those_of_the_reference(encoder, reference, hidden, ids_and_mask, variant):
    head = weights(reference, "itm_head.")
    keys_values = encoder.project_keys_values(tensor(reference, f"{variant}/vision_embeds"))
    rows = []
    for video in range(6):
        pairs = [(keys[video : video + 1], values[video : video + 1]) for keys, values in keys_values]
        fused = encoder.fuse(hidden, ids_and_mask[1], keys_values=pairs)
        rows.append(torch.nn.functional.linear(fused[:, 0], head["weight"], head["bias"])[:, 1])
    assert_same_states(torch.stack(rows), tensor(reference, f"{variant}/vtm_i2t_full"))


def test_state_dict_has_the_official_keys_and_shapes(reference):
    official = weights(reference, "text_encoder.")
    ours = BertTextEncoder(TINY).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in official.items()}
    assert ours["embeddings.position_ids"].dtype == torch.int64
    assert torch.equal(ours["embeddings.position_ids"], official["embeddings.position_ids"])


def test_default_config_is_the_base_model_with_three_fusion_layers():
    with torch.device("meta"):
        encoder = BertTextEncoder()
    state = encoder.state_dict()
    assert len(encoder.text_layers) == 9
    assert len(encoder.fusion_layers) == 3
    assert state["embeddings.word_embeddings.weight"].shape == (30522, 768)
    assert state["encoder.layer.9.crossattention.self.key.weight"].shape == (768, 768)
    assert "encoder.layer.8.crossattention.self.key.weight" not in state
    assert len(state) == 6 + 12 * 16 + 3 * 10


def test_video_and_text_widths_may_differ():
    encoder = BertTextEncoder(BertConfig(50, 32, 3, 2, 64, 16, fusion_layer=1, vision_width=24)).eval()
    ids = torch.randint(1, 50, (2, 5))
    fused = encoder.fuse(encoder.encode_text(ids), None, torch.randn(2, 7, 24))
    assert fused.shape == (2, 5, 32)


def test_padding_does_not_change_a_text(encoder, ids_and_mask, hidden, videos):
    ids, mask = ids_and_mask
    lengths = mask.sum(dim=1).tolist()
    assert min(lengths) < ids.shape[1], "the reference texts should hold padding"
    fused = encoder.fuse(hidden, mask, videos[:1])
    for text, length in enumerate(lengths):
        alone = encoder.encode_text(ids[text : text + 1, :length])
        assert_same_states(alone[0], hidden[text, :length])
        assert_same_states(encoder.fuse(alone, None, videos[:1])[0], fused[text, :length])


def test_masking_equals_adding_minus_ten_thousand(encoder, ids_and_mask, hidden, monkeypatch):
    attend = torch.nn.functional.scaled_dot_product_attention

    def attend_with_added_mask(queries, keys, values, attn_mask, dropout_p):
        return attend(queries, keys, values, attn_mask=(~attn_mask) * -10000.0, dropout_p=dropout_p)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend_with_added_mask)
    assert torch.equal(encoder.encode_text(*ids_and_mask), hidden)


def test_projected_keys_and_values_replace_the_video_tokens_exactly(encoder, ids_and_mask, hidden, videos):
    mask = ids_and_mask[1]
    keys_values = encoder.project_keys_values(videos)
    assert [pair[0].shape for pair in keys_values] == [(6, 4, 29, 16)] * 2
    direct = encoder.fuse(hidden[:6], mask[:6], videos)
    assert torch.equal(encoder.fuse(hidden[:6], mask[:6], keys_values=keys_values), direct)


def test_one_video_for_many_texts_equals_a_copy_for_each_text(encoder, ids_and_mask, hidden, videos):
    mask = ids_and_mask[1]
    shared = encoder.fuse(hidden, mask, videos[2:3])
    assert_same_states(shared, encoder.fuse(hidden, mask, videos[2:3].repeat(8, 1, 1)))


def test_the_first_position_alone_is_what_it_is_among_all(encoder, ids_and_mask, hidden, videos):
    mask = ids_and_mask[1]
    video = videos[:1]
    whole = encoder.fuse(hidden, mask, video)
    alone = encoder.fuse(hidden, mask, video, first_only=True)
    assert alone.shape == (len(hidden), 1, whole.shape[-1])
    assert_same_states(alone, whole[:, :1])
    unmasked = encoder.fuse(hidden, None, video, first_only=True)
    assert_same_states(unmasked, encoder.fuse(hidden, None, video)[:, :1])


def test_texts_are_shared_out_among_videos_in_order(encoder, ids_and_mask, hidden, videos):
    mask = ids_and_mask[1]
    fused = encoder.fuse(hidden[:6], mask[:6], videos[:2])
    for text in range(6):
        video = text // 3
        alone = encoder.fuse(hidden[text : text + 1], mask[text : text + 1], videos[video : video + 1])
        assert_same_states(fused[text], alone[0])


def test_masked_video_tokens_are_not_seen(encoder, ids_and_mask, hidden, videos):
    mask = ids_and_mask[1]
    video_mask = torch.ones(2, 29, dtype=torch.int64)
    video_mask[1, 20:] = 0
    fused = encoder.fuse(hidden[:4], mask[:4], videos[:2], video_mask)
    assert_same_states(fused[:2], encoder.fuse(hidden[:2], mask[:2], videos[:1]))
    assert_same_states(fused[2:], encoder.fuse(hidden[2:4], mask[2:4], videos[1:2, :20]))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float16, 0.02)])
def test_autocast_stays_close_and_finite(encoder, ids_and_mask, hidden, videos, dtype, tolerance):
    ids, mask = ids_and_mask
    expected = encoder.fuse(hidden, mask, videos[:1])
    with torch.autocast("cpu", dtype):
        actual = encoder.fuse(encoder.encode_text(ids, mask), mask, videos[:1])
    # A few units in the last place of the dtype (8e-3 and 1e-3 near 1) over four layers.
    torch.testing.assert_close(actual.float(), expected, atol=tolerance, rtol=0)


def test_training_drops_out_and_reaches_every_parameter():
    torch.manual_seed(0)
    encoder = BertTextEncoder(TINY).train()
    ids, mask = torch.randint(1, 200, (2, 6)), torch.ones(2, 6)
    video = torch.randn(2, 5, 64, requires_grad=True)
    first, second = (encoder.fuse(encoder.encode_text(ids, mask), mask, video) for _ in range(2))
    assert not torch.equal(first, second)
    first.square().sum().backward()
    assert video.grad.abs().sum() > 0
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []


def test_evaluation_is_deterministic(encoder, ids_and_mask, hidden):
    assert torch.equal(encoder.encode_text(*ids_and_mask), hidden)


def test_weights_start_like_those_of_bert():
    torch.manual_seed(0)
    encoder = BertTextEncoder(TINY)
    dense = encoder.encoder["layer"][2].intermediate.dense
    assert dense.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert dense.bias.abs().sum() == 0
    words = encoder.embeddings.word_embeddings.weight
    assert words[0].abs().sum() == 0
    assert words[1:].std().item() == pytest.approx(0.02, rel=0.05)


def test_too_long_text_is_refused(encoder):
    with pytest.raises(ValueError, match="49 tokens exceeds the 48 positions"):
        encoder.encode_text(torch.ones(1, 49, dtype=torch.int64))


def test_uneven_texts_and_videos_are_refused(encoder, hidden, videos):
    with pytest.raises(ValueError, match="5 texts cannot be shared out evenly among 2 videos"):
        encoder.fuse(hidden[:5], None, videos[:2])


def test_fuse_wants_exactly_one_form_of_video(encoder, hidden, videos):
    with pytest.raises(ValueError, match="either video_tokens or keys_values"):
        encoder.fuse(hidden, None)
    with pytest.raises(ValueError, match="either video_tokens or keys_values"):
        encoder.fuse(hidden, None, videos[:1], keys_values=encoder.project_keys_values(videos[:1]))
    with pytest.raises(ValueError, match="1 pairs of keys and values for 2 fusion layers"):
        encoder.fuse(hidden, None, keys_values=encoder.project_keys_values(videos[:1])[:1])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_heads": 5}, "hidden_size=768 is not divisible by num_heads=5"),
        ({"fusion_layer": 12}, "fusion_layer=12 is not in 0..11"),
        ({"dropout": 1.0}, r"dropout=1.0 is not in \[0, 1\)"),
    ],
)
def test_contradicting_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**sizes)
