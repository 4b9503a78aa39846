"""Applying methods to whole models: official numbers, and what must not change."""

import copy
import threading

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.helpers.reference import load, tensor
from vidtldr.merging import METHODS, Base, LayerRecord, Method, ToMe, VidTLDR, apply, merging, remove

_TOME = load("tome")


def _official_vit() -> nn.Module:
    model = timm.models.VisionTransformer(
        img_size=64, patch_size=8, embed_dim=64, depth=4, num_heads=4, num_classes=7, norm_layer=_norm
    )
    model.load_state_dict({k.removeprefix("vit/w/"): tensor(_TOME, k) for k in _TOME if k.startswith("vit/w/")})
    return model.eval()


def _norm(width: int, **options: object) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6, **options)


def _small_vit(seed: int = 0, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    options = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2, "num_classes": 5} | options
    return timm.models.VisionTransformer(**options).eval()


def _attentive(model: nn.Module) -> nn.Module:
    """With larger queries and keys: untrained, attention is so flat that float32 rounding decides what is salient."""
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.weight.mul_(10)
    return model


@pytest.mark.parametrize(("case", "proportional"), [("tome_prop", True), ("tome_noprop", False)])
def test_tome_on_a_timm_vit_equals_the_official_code_in_every_layer(case: str, proportional: bool) -> None:
    model, records = _official_vit(), []
    with torch.no_grad(), merging(model, ToMe(6, proportional_attention=proportional), observer=records.append):
        logits = model(tensor(_TOME, "vit/input"))
    torch.testing.assert_close(logits, tensor(_TOME, f"vit/{case}/logits"), atol=1e-4, rtol=0)
    for record in records:
        i = record.layer
        torch.testing.assert_close(record.tokens, tensor(_TOME, f"vit/{case}/block{i}"), atol=2e-4, rtol=0)
        torch.testing.assert_close(record.mass, tensor(_TOME, f"vit/{case}/size{i}").squeeze(-1), atol=1e-5, rtol=0)
    members = torch.zeros(2, 41, 65).scatter_(1, records[-1].owner.unsqueeze(1), 1.0)
    assert torch.equal(members, tensor(_TOME, f"vit/{case}/source"))


@pytest.mark.parametrize("form", ["int6", "list", "tuple6_p1", "tuple6_m0.5", "shortlist", "overcap"])
@pytest.mark.filterwarnings("ignore:r=.*exceeds half")
def test_every_form_of_schedule_equals_the_official_code(form: str) -> None:
    model = _official_vit()
    schedule = tensor(_TOME, f"vit/forms/{form}/schedule").tolist()
    with torch.no_grad(), merging(model, ToMe(schedule)):
        logits = model(tensor(_TOME, "vit/input"))
    torch.testing.assert_close(logits, tensor(_TOME, f"vit/forms/{form}/logits"), atol=1e-4, rtol=0)


def test_the_unpatched_vit_equals_the_official_one() -> None:
    with torch.no_grad():
        logits = _official_vit()(tensor(_TOME, "vit/input"))
    torch.testing.assert_close(logits, tensor(_TOME, "vit/base/logits"), atol=1e-4, rtol=0)


methods = st.one_of(
    st.integers(0, 12).map(ToMe),
    st.lists(st.integers(0, 12), max_size=3).map(VidTLDR),
    st.lists(st.floats(0, 0.6), max_size=3).map(VidTLDR),
)


@given(methods, st.sampled_from([{}, {"class_token": False, "global_pool": "avg"}, {"reg_tokens": 4}]))
@settings(max_examples=30, deadline=None)
@pytest.mark.filterwarnings("ignore:r=.*exceeds half")
def test_removing_a_method_restores_classes_keys_and_output_bit_for_bit(method: Method, options: dict) -> None:
    model = _small_vit(**options)
    x = torch.randn(2, 3, 32, 32)
    classes, keys = [type(m) for m in model.modules()], list(model.state_dict())
    before = vars(model.blocks).keys() - {"_modules"}
    with torch.no_grad():
        expected = model(x)
        apply(model, method)
        assert list(model.state_dict()) == keys
        assert model(x).isfinite().all()
        remove(model)
        assert torch.equal(model(x), expected)
    assert [type(m) for m in model.modules()] == classes
    assert vars(model.blocks).keys() - {"_modules"} == before


@pytest.mark.parametrize("method", [ToMe(4), VidTLDR([6, 3])])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_a_batch_equals_its_clips_one_by_one(method: Method, dtype: torch.dtype, tolerance: float) -> None:
    model, x = _attentive(_small_vit()).to(dtype), torch.randn(5, 3, 32, 32, dtype=dtype)
    with torch.no_grad(), merging(model, method):
        together = model(x)
        alone = torch.cat([model(clip.unsqueeze(0)) for clip in x])
    torch.testing.assert_close(together, alone, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("method", [ToMe(4), VidTLDR([6, 3])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["one colour", "huge", "zero"])
def test_no_nan_on_constant_or_extreme_clips(method: Method, dtype: torch.dtype, kind: str) -> None:
    model = _small_vit(class_token=False, global_pool="avg").to(dtype)
    x = {"one colour": torch.full((2, 3, 32, 32), 0.7), "huge": torch.randn(2, 3, 32, 32) * 1e3, "zero": None}[kind]
    x = torch.zeros(2, 3, 32, 32) if x is None else x
    with torch.no_grad(), merging(model, method):
        assert model(x.to(dtype)).isfinite().all()


@pytest.mark.parametrize("method", [ToMe(4), VidTLDR([6, 3])])
def test_attention_that_underflows_gives_no_nan(method: Method) -> None:
    model = _small_vit()
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.weight *= 300  # scores of thousands: all but one weight of a row are 0
        with merging(model, method):
            assert model(torch.randn(2, 3, 32, 32)).isfinite().all()


@pytest.mark.parametrize("method", [ToMe(4), VidTLDR([6, 3])])
def test_gradients_flow_and_are_finite(method: Method) -> None:
    model = _small_vit().train()
    with merging(model, method):
        model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_token_counts_follow_the_schedule_and_tome_conserves_mass() -> None:
    model, records = _small_vit(), []
    with torch.no_grad(), merging(model, ToMe([5, 3, 0]), observer=records.append):
        model(torch.randn(2, 3, 32, 32))
    assert [record.tokens.shape[1] for record in records] == [12, 9, 9]  # of 16 patches and the class token
    for record in records:
        torch.testing.assert_close(record.mass.sum(1), torch.full((2,), 17.0))


def test_sources_say_what_a_token_stands_for_and_what_was_dropped() -> None:
    model, records = _small_vit(), []
    with torch.no_grad(), merging(model, VidTLDR([6, 3]), observer=records.append):
        model(torch.randn(1, 3, 32, 32))
    last = records[-1]
    mass = torch.zeros(1, last.tokens.shape[1]).scatter_add_(1, last.owner, last.share)
    torch.testing.assert_close(mass, last.mass)  # shares of the inputs add up to the mass of their owner
    assert (last.share == 0).any()  # background left no trace


def test_records_tell_what_merged_sources_were_weighted_by() -> None:
    model, records = _attentive(_small_vit()), []
    with torch.no_grad(), merging(model, VidTLDR([6, 3]), observer=records.append):
        model(torch.randn(1, 3, 32, 32))
    for record in records[:2]:
        assert torch.equal(record.score, record.sharpness)
    assert records[2].score is None
    with torch.no_grad(), merging(model, ToMe(3), observer=records.append):
        model(torch.randn(1, 3, 32, 32))
    assert all(record.score is None and record.sharpness is None for record in records[3:])


def test_an_exception_in_the_middle_leaves_no_state_behind() -> None:
    model, x = _small_vit(), torch.randn(1, 3, 32, 32)
    with torch.no_grad(), merging(model, VidTLDR([6, 3])):
        expected = model(x)
        handle = model.blocks[2].norm1.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model(x)
        handle.remove()
        assert torch.equal(model(x), expected)
    with pytest.raises(ZeroDivisionError), merging(model, ToMe(3)):
        raise ZeroDivisionError
    assert type(model.blocks) is nn.Sequential


def test_two_models_and_two_threads_do_not_disturb_each_other() -> None:
    models = [_small_vit(seed) for seed in (1, 2)]
    inputs = [torch.randn(2, 3, 32, 32) for _ in models]
    applied = [ToMe(3), VidTLDR([6, 2])]
    for model, method in zip(models, applied):
        apply(model, method)
    results: dict[int, list[Tensor]] = {0: [], 1: []}

    def work(which: int) -> None:
        with torch.no_grad():
            results[which] = [models[which](inputs[which]) for _ in range(10)]

    with torch.no_grad():
        expected = [model(x) for model, x in zip(models, inputs)]
    threads = [threading.Thread(target=work, args=(which,)) for which in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for which, outputs in results.items():
        assert len(outputs) == 10
        assert all(torch.equal(output, expected[which]) for output in outputs)


def test_a_copy_of_a_patched_model_is_patched_and_independent() -> None:
    model, x = _small_vit(), torch.randn(1, 3, 32, 32)
    apply(model, ToMe(3))
    twin = copy.deepcopy(model)
    with torch.no_grad():
        merged = model(x)
        remove(model)
        assert torch.equal(twin(x), merged)
        nn.init.zeros_(model.head.weight)
        assert torch.equal(twin(x), merged)


def test_an_inner_method_gives_way_to_the_outer_one_again() -> None:
    model, records = _small_vit(), []
    apply(model, ToMe(2), observer=records.append)
    with torch.no_grad():
        with merging(model, VidTLDR([4])):
            model(torch.randn(1, 3, 32, 32))
        assert not records
        model(torch.randn(1, 3, 32, 32))
    assert [r.tokens.shape[1] for r in records] == [15, 13, 11]


def test_a_method_that_does_not_fit_leaves_the_one_before_in_place() -> None:
    model, x = _small_vit(), torch.randn(1, 3, 32, 32)
    apply(model, ToMe(2))
    with torch.no_grad():
        expected = model(x)
        with pytest.raises(ValueError, match="r lists 4 layers"):
            apply(model, VidTLDR([1, 1, 1, 1]))
        assert torch.equal(model(x), expected)


def test_too_large_r_merges_half_and_says_so() -> None:
    model = _small_vit()
    records: list[LayerRecord] = []
    said = pytest.warns(UserWarning, match="r=100 at layer 1 exceeds half of 17 tokens; 8 merge")
    with torch.no_grad(), merging(model, VidTLDR([100]), observer=records.append), said:
        model(torch.randn(1, 3, 32, 32))
    assert records[0].tokens.shape[1] == 9


def test_what_cannot_be_patched_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Linear holds 0 nn.Sequential named `blocks`"):
        apply(nn.Linear(2, 2), ToMe(3))
    with pytest.raises(ValueError, match="r lists 4 layers, but the model has 3"):
        apply(_small_vit(), VidTLDR([1, 1, 1, 1]))
    parallel = _small_vit(block_fn=timm.models.vision_transformer.ParallelScalingBlock)
    with pytest.raises(ValueError, match="layer 0 of VisionTransformer is a ParallelScalingBlock"):
        apply(parallel, ToMe(3))
    checkpointing = _small_vit()
    checkpointing.set_grad_checkpointing(True)
    with pytest.raises(ValueError, match="gradient checkpointing"):
        apply(checkpointing, ToMe(3))


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"base", "chain", "run_length"}))  # the last takes no images
def test_a_batch_of_no_clips_has_no_logits(name: str) -> None:
    model, method = _small_vit(), METHODS[name](r=[2, 1])
    expected = model(torch.randn(2, 3, 32, 32)).shape[1:]
    with merging(model, method), torch.no_grad():
        assert model(torch.randn(0, 3, 32, 32)).shape == (0, *expected)


def test_a_part_of_the_blocks_is_refused_and_one_block_is_itself() -> None:
    model = _small_vit()
    first = model.blocks[0]
    with merging(model, ToMe(3)):
        assert model.blocks[0] is first
        with pytest.raises(RuntimeError, match="a part of the blocks"):
            model.blocks[:2]
    assert list(model.blocks[:2]) == list(model.blocks)[:2]


def test_hooks_that_would_not_fire_are_told() -> None:
    model, seen = _small_vit(), []
    hook = model.blocks[1].register_forward_hook(lambda module, args, output: seen.append(output))
    x = torch.randn(1, *model.patch_embed.proj.weight.shape[1:2], *model.patch_embed.img_size)
    with merging(model, Base()):
        model(x)
    assert len(seen) == 1
    with merging(model, ToMe(3)), pytest.warns(UserWarning, match="forward hooks on layers do not fire"):
        model(x)
    assert len(seen) == 1
    hook.remove()


def test_a_path_around_the_merging_is_an_error_and_not_an_unmerged_result() -> None:
    model = _small_vit()
    with merging(model, ToMe(3)), pytest.raises(RuntimeError, match="walks through its blocks one by one"):
        model.forward_intermediates(torch.randn(1, 3, 32, 32))
