"""Pruning against a slow computation on explicit attention maps, and what must hold for every way of ranking."""

import copy
import threading
from collections.abc import Callable

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vidtldr.merging import (
    Attentiveness,
    LayerRecord,
    Pruning,
    Rollout,
    SaliencyPruning,
    VidTLDR,
    apply,
    drop_lowest,
    merging,
    remove,
)

KINDS = (Attentiveness, Rollout, SaliencyPruning)
METHODS = [kind([6, 3], before=before) for kind in KINDS for before in ("mlp", "layer")]


def _small_vit(**options: object) -> nn.Module:
    torch.manual_seed(0)
    options = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 4, "num_heads": 2, "num_classes": 5} | options
    model = timm.models.VisionTransformer(**options).eval()
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.weight *= 6  # attention that differs from token to token
    return model


# A slow computation, one clip at a time, on the explicit map of each head.


def _map_and_output(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    attn = block.attn
    batch, num_tokens, _ = x.shape
    query, key, value = attn.qkv(block.norm1(x)).reshape(batch, num_tokens, 3, attn.num_heads, -1).unbind(2)
    maps = torch.stack(
        [(query[:, :, h] @ key[:, :, h].mT * attn.scale).softmax(-1) for h in range(attn.num_heads)], dim=1
    )
    heads = [maps[:, h] @ value[:, :, h] for h in range(attn.num_heads)]
    return maps, x + attn.proj(torch.cat(heads, dim=-1))


def _received(maps: Tensor) -> Tensor:
    return torch.tensor([[maps[0, :, :, key].mean() for key in range(maps.shape[-1])]])


def _entropy(maps: Tensor) -> Tensor:
    mean = maps[0].mean(0)
    return torch.tensor([[(row * row.log()).sum() for row in mean]])


def _rolled_out(model: nn.Module, x: Tensor) -> Tensor:
    product = torch.eye(x.shape[1], dtype=torch.float64)
    for block in model.blocks:
        maps, x = _map_and_output(block, x)
        x = x + block.mlp(block.norm2(x))
        step = maps[0].mean(0).double() + torch.eye(x.shape[1])
        product = step / step.sum(-1, keepdim=True) @ product
    return product.mean(0, keepdim=True)


def _drop(x: Tensor, score: Tensor, r: int, prefix: int) -> tuple[Tensor, Tensor, list[int]]:
    lowest = sorted(range(prefix, x.shape[1]), key=lambda position: score[0, position].item())[:r]
    kept = [position for position in range(x.shape[1]) if position not in lowest]
    return x[:, kept], score[:, kept], kept


def _slow(model: nn.Module, image: Tensor, method: Pruning) -> tuple[Tensor, list[int]]:
    """Logits, and the input positions of the tokens that are left."""
    x = model.norm_pre(model._pos_embed(model.patch_embed(image)))
    prefix, left = model.num_prefix_tokens, list(range(x.shape[1]))
    rank: Callable[[Tensor], Tensor] = _received if isinstance(method, Attentiveness) else _entropy
    score = _rolled_out(model, x) if isinstance(method, Rollout) else None
    for block, r in zip(model.blocks, method.schedule(len(model.blocks))):
        if r and method.before == "layer":
            x, score, kept = _drop(x, score, r, prefix)
            left = [left[position] for position in kept]
        maps, x = _map_and_output(block, x)
        score = score if isinstance(method, Rollout) else rank(maps)
        if r and method.before == "mlp":
            x, score, kept = _drop(x, score, r, prefix)
            left = [left[position] for position in kept]
        x = x + block.mlp(block.norm2(x))
    return model.forward_head(model.norm(x)), left


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("r", "before"), [([5, 0, 3], "mlp"), ([0, 5, 0, 3], "layer"), ([0, 4, 3], "layer")])
@pytest.mark.parametrize("options", [{}, {"class_token": False, "global_pool": "avg"}, {"reg_tokens": 2}])
@torch.no_grad()
def test_pruning_equals_a_slow_computation_on_explicit_maps(kind: type, r: list, before: str, options: dict) -> None:
    model, method = _small_vit(**options), kind(r, before=before)
    images, records = torch.randn(3, 3, 32, 32), []
    with merging(model, method, observer=records.append):
        logits = model(images)
    for clip, image in enumerate(images):
        expected, left = _slow(model, image.unsqueeze(0), method)
        torch.testing.assert_close(logits[clip : clip + 1], expected, atol=1e-4, rtol=1e-4)
        owner = records[-1].owner[clip]
        assert (owner >= 0).nonzero().flatten().tolist() == left
        assert owner[owner >= 0].tolist() == list(range(len(left)))  # the order they had


# The plan.


def test_the_lowest_go_and_the_others_keep_their_order() -> None:
    score = torch.tensor([[9.0, 0.3, 0.1, 0.5, 0.2, 0.4], [0.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
    plan = drop_lowest(score, 2, num_prefix=1)  # the first token is protected, however low
    assert plan.kept.tolist() == [[0, 1, 3, 5], [0, 1, 2, 3]]
    assert plan.dropped.tolist() == [[2, 4], [5, 4]]
    assert plan.positions().tolist() == [[0, 1, -1, 2, -1, 3], [0, 1, 2, 3, -1, -1]]
    assert torch.equal(plan.take(score), score.gather(1, plan.kept))
    with pytest.raises(ValueError, match="a plan for 6 tokens cannot be applied to 5 tokens"):
        plan.take(score[:, :5])


@pytest.mark.parametrize(("num_tokens", "r"), [(2352, 400), (2352, 600), (196, 10), (17, 3), (16, 8)])
def test_of_equal_tokens_those_that_go_are_spread_evenly(num_tokens: int, r: int) -> None:
    dropped = drop_lowest(torch.zeros(1, num_tokens), r).dropped[0].sort().values
    assert dropped.unique().numel() == r
    assert dropped.diff().max() <= 2 * num_tokens / r
    assert dropped.diff().min() >= num_tokens / r / 2


def test_one_token_always_stays() -> None:
    assert drop_lowest(torch.rand(2, 5), 100).kept.shape == (2, 1)
    assert drop_lowest(torch.rand(2, 5), 100, num_prefix=2).kept.shape == (2, 3)
    assert drop_lowest(torch.rand(2, 1), 1) is None
    assert drop_lowest(torch.rand(2, 5), 0) is None


def test_too_large_r_drops_all_but_one_and_says_so() -> None:
    model, records = _small_vit(), []
    said = pytest.warns(UserWarning, match="r=100 at layer 1 exceeds what can go of 17 tokens; 15 are dropped")
    with torch.no_grad(), merging(model, SaliencyPruning([100]), observer=records.append), said:
        model(torch.randn(1, 3, 32, 32))
    assert records[-1].tokens.shape[1] == 2


# Whole models.

methods = st.builds(
    lambda kind, r, before: kind(r, before=before),
    st.sampled_from(KINDS),
    st.lists(st.one_of(st.integers(0, 12), st.floats(0, 0.9)), max_size=4),
    st.sampled_from(["mlp", "layer"]),
)


@given(methods, st.sampled_from([{}, {"class_token": False, "global_pool": "avg"}, {"reg_tokens": 4}]))
@settings(max_examples=20, deadline=None)
@pytest.mark.filterwarnings("ignore:r=.*exceeds")
def test_removing_a_method_restores_hooks_classes_and_output_bit_for_bit(method: Pruning, options: dict) -> None:
    model, x = _small_vit(**options), torch.randn(2, 3, 32, 32)
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
    assert not model._forward_pre_hooks


@pytest.mark.parametrize("method", METHODS, ids=str)
@torch.no_grad()
def test_a_batch_equals_its_clips_one_by_one(method: Pruning) -> None:
    model, x = _small_vit(), torch.randn(5, 3, 32, 32)
    with merging(model, method):
        together = model(x)
        alone = torch.cat([model(clip.unsqueeze(0)) for clip in x])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["one colour", "huge", "zero"])
@torch.no_grad()
def test_no_nan_on_constant_or_extreme_clips(method: Pruning, dtype: torch.dtype, kind: str) -> None:
    model = _small_vit(class_token=False, global_pool="avg").to(dtype)
    x = {"one colour": torch.full((2, 3, 32, 32), 0.7), "huge": torch.randn(2, 3, 32, 32) * 1e3, "zero": None}[kind]
    x = torch.zeros(2, 3, 32, 32) if x is None else x
    with merging(model, method):
        assert model(x.to(dtype)).isfinite().all()


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_gradients_reach_every_weight(method: Pruning, autocast: bool) -> None:
    # Under autocast, weights that the first pass cast without gradient must not be used again.
    model = _small_vit().train()
    with merging(model, method), torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_records_tell_who_was_dropped_and_by_which_score() -> None:
    model, records = _small_vit(), []
    with torch.no_grad(), merging(model, SaliencyPruning([6, 0, 3]), observer=records.append):
        model(torch.randn(2, 3, 32, 32))
    assert [record.tokens.shape[1] for record in records] == [11, 11, 8, 8]  # of 16 patches and the class token
    assert [record.plan is None for record in records] == [False, True, False, True]
    assert all(record.mass is None and record.source_weight is None and record.sharpness is None for record in records)
    first, last = records[0], records[-1]
    lowest = first.score.argsort(dim=1)[:, :6] + 1  # scores are of the patches alone
    assert torch.equal(lowest, first.plan.dropped)
    assert torch.equal(last.owner[:, 0], torch.zeros(2, dtype=torch.int64))
    assert torch.equal((last.owner < 0).sum(1), torch.tensor([9, 9]))
    assert torch.equal(last.share, (last.owner >= 0).float())


@torch.no_grad()
def test_before_the_first_layer_nothing_is_known_and_every_other_token_goes() -> None:
    model, records = _small_vit(class_token=False, global_pool="avg"), []
    with merging(model, Attentiveness([8], before="layer"), observer=records.append):
        model(torch.randn(2, 3, 32, 32))
    assert records[0].score is None
    gone = records[0].owner < 0
    assert torch.equal(gone[0], gone[1])
    assert gone[0].unfold(0, 4, 1).sum(1).min() >= 1  # no four in a row stay
    assert gone[0].unfold(0, 4, 1).sum(1).max() <= 3


# Rollout's first pass.


def test_rollout_needs_the_whole_forward_pass() -> None:
    model, x = _small_vit(), torch.randn(1, 3, 32, 32)
    with torch.no_grad(), merging(model, Rollout([3])):
        with pytest.raises(RuntimeError, match="runs the model twice"):
            model.forward_features(x)
        model(x)
        with pytest.raises(RuntimeError, match="runs the model twice"):  # scores serve one run
            model.forward_features(x)


@torch.no_grad()
def test_hooks_of_the_user_and_observers_see_the_reduced_run_alone() -> None:
    model, calls, records = _small_vit(), [], []
    model.register_forward_hook(lambda *_: calls.append(1))
    with merging(model, Rollout([3]), observer=records.append):
        model(torch.randn(1, 3, 32, 32))
    assert len(calls) == 1
    assert [record.layer for record in records] == [0, 1, 2, 3]


@torch.no_grad()
def test_an_exception_in_the_first_pass_leaves_no_state_behind() -> None:
    model, x = _small_vit(), torch.randn(1, 3, 32, 32)
    with merging(model, Rollout([6, 3])):
        expected = model(x)
        handle = model.blocks[2].norm1.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model(x)
        handle.remove()
        assert torch.equal(model(x), expected)


@torch.no_grad()
def test_a_copy_runs_its_own_first_pass() -> None:
    model, x, records = _small_vit(), torch.randn(1, 3, 32, 32), list[LayerRecord]()
    apply(model, Rollout([6]), observer=records.append)
    twin = copy.deepcopy(model)
    expected = model(x)
    remove(model)
    assert not model._forward_pre_hooks
    assert torch.equal(twin(x), expected)
    remove(twin)
    assert not twin._forward_pre_hooks
    assert torch.equal(twin(x), model(x))


@torch.no_grad()
def test_an_inner_method_gives_way_to_rollout_again() -> None:
    model, x = _small_vit(), torch.randn(1, 3, 32, 32)
    apply(model, Rollout([6]))
    expected = model(x)
    with merging(model, VidTLDR([4])):
        assert not model._forward_pre_hooks
        model(x)
    assert torch.equal(model(x), expected)


def test_two_threads_do_not_see_each_others_scores() -> None:
    model = _small_vit()
    inputs = [torch.randn(2, 3, 32, 32) for _ in range(2)]
    results: dict[int, list[Tensor]] = {}

    @torch.no_grad()
    def work(which: int) -> None:
        results[which] = [model(inputs[which]) for _ in range(10)]

    with merging(model, Rollout([6, 2])):
        with torch.no_grad():
            expected = [model(x) for x in inputs]
        threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for which, outputs in results.items():
        assert len(outputs) == 10
        assert all(torch.equal(output, expected[which]) for output in outputs)
