"""What must hold for every method beside the first ones, on images and on clips."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.vits import CLIPS, IMAGES, averaging_vit, image_vit, video_vit
from vidtldr.merging import (
    Chain,
    Method,
    PiToMe,
    RandomDrop,
    RandomMerge,
    RepresentationShift,
    RunLength,
    SaliencyPruning,
    SimilarDrop,
    ToMe,
    VidTLDR,
    apply,
    build_method,
    merging,
    remove,
)
from vidtldr.merging.registry import reference

MERGE = [
    RandomMerge([6, 0, 3], seed=3),
    PiToMe([6, 0, 3]),
    ToMe([6, 0, 3], merge="mlerp", pooling="mass"),
]
WEIGHTED = [
    VidTLDR([6, 0, 3], score="shift"),
    VidTLDR([6, 0, 3], entropy="per_head"),
    VidTLDR([6, 0, 3], merge="mlerp", pooling="mass"),
]
DROP = [
    RandomDrop([6, 0, 3], seed=3),
    SimilarDrop([6, 0, 3]),
    RepresentationShift([6, 0, 3]),
    RepresentationShift([6, 0, 3], branch="attention"),
]
AT_INPUT = [
    RunLength(keep=0.7),
    Chain([RunLength(keep=0.7), VidTLDR([6, 0, 3])]),
    Chain([RunLength(keep=0.7), RandomMerge([6, 0, 3])]),
    Chain([RunLength(keep=0.7), SaliencyPruning([0, 6, 3], before="layer")]),
]
IN_LAYERS = [*MERGE, *WEIGHTED, *DROP]

Case = tuple[Callable[[], nn.Module], tuple[int, ...], Method]
CASES: list[Case] = [
    *((image_vit, IMAGES, method) for method in IN_LAYERS),
    *((averaging_vit, IMAGES, method) for method in IN_LAYERS),
    *((video_vit, CLIPS, method) for method in [*IN_LAYERS, *AT_INPUT]),
]
every_case = pytest.mark.parametrize(
    ("make", "shape", "method"), CASES, ids=[f"{make.__name__} {method}" for make, _, method in CASES]
)


@every_case
@torch.no_grad()
def test_a_batch_equals_its_clips_one_by_one(make, shape, method) -> None:
    model, x = make(), torch.randn(4, *shape)
    with merging(model, method):
        together = model(x)
        shuffled = model(x[[2, 0, 3, 1]])
        alone = torch.cat([model(clip.unsqueeze(0)) for clip in x])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shuffled, together[[2, 0, 3, 1]], atol=1e-5, rtol=1e-5)


@every_case
@torch.no_grad()
def test_taking_it_off_leaves_no_trace(make, shape, method) -> None:
    model, x = make(), torch.randn(2, *shape)
    classes, keys = [type(m) for m in model.modules()], list(model.state_dict())
    attributes = [sorted(vars(m)) for m in model.modules()]
    expected = model(x)
    apply(model, method)
    assert list(model.state_dict()) == keys
    assert not torch.equal(model(x), expected)  # it does something
    remove(model)
    assert torch.equal(model(x), expected)
    assert [type(m) for m in model.modules()] == classes
    assert [sorted(vars(m)) for m in model.modules()] == attributes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@every_case
@torch.no_grad()
def test_a_copy_of_the_model_works_by_itself(make, shape, method) -> None:
    model, x = make(), torch.randn(2, *shape)
    apply(model, method)
    expected = model(x)
    twin = copy.deepcopy(model)
    remove(model)
    for parameter in model.parameters():
        parameter.zero_()
    assert torch.equal(twin(x), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["one colour", "huge", "zero"])
@torch.no_grad()
def test_no_nan_on_constant_or_extreme_clips(kind: str, dtype: torch.dtype) -> None:
    model = video_vit().to(dtype)
    x = {
        "one colour": torch.full((2, *CLIPS), 0.7),
        "huge": torch.randn(2, *CLIPS) * 1e3,
        "zero": torch.zeros(2, *CLIPS),
    }[kind]
    for method in [*IN_LAYERS, *AT_INPUT]:
        with merging(model, method):
            assert model(x.to(dtype)).isfinite().all(), method


@pytest.mark.parametrize("method", [*IN_LAYERS, *AT_INPUT], ids=str)
def test_gradients_reach_every_weight(method: Method) -> None:
    model = video_vit().train()
    with merging(model, method):
        model(torch.randn(2, *CLIPS)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    "method",
    [
        *(type(method)(0, **{k: v for k, v in method.option_values().items() if k != "r"}) for method in IN_LAYERS),
        RunLength(keep=1.0),
        Chain([RunLength(keep=1.0), VidTLDR(0)]),
    ],
    ids=str,
)
@torch.no_grad()
def test_where_nothing_goes_the_model_is_itself_bit_for_bit(method: Method) -> None:
    model, x = video_vit(), torch.randn(2, *CLIPS)
    expected = model(x)
    with merging(model, method):
        assert torch.equal(model(x), expected)


@pytest.mark.parametrize("method", MERGE, ids=str)
@pytest.mark.parametrize(("make", "num_tokens"), [(image_vit, 17), (averaging_vit, 16)])
@torch.no_grad()
def test_merging_conserves_mass_and_every_token_has_an_owner(make, num_tokens: int, method: Method) -> None:
    model, records = make(), []
    with merging(model, method, observer=records.append):
        model(torch.randn(3, *IMAGES))
    assert [record.tokens.shape[1] for record in records] == [num_tokens - gone for gone in (6, 6, 9, 9)]
    for record in records:
        torch.testing.assert_close(record.mass.sum(1), torch.full((3,), float(num_tokens)))
        assert (record.owner >= 0).all()
        assert (record.share == 1).all()
        counted = torch.zeros_like(record.mass).scatter_add(1, record.owner, record.share)
        torch.testing.assert_close(counted, record.mass)


@pytest.mark.parametrize("method", WEIGHTED, ids=str)
@torch.no_grad()
def test_shares_of_weighted_sources_add_up_to_the_mass(method: Method) -> None:
    model, records = image_vit(), []
    with merging(model, method, observer=records.append):
        model(torch.randn(3, *IMAGES))
    last = records[-1]
    counted = torch.zeros_like(last.mass).scatter_add(1, last.owner, last.share)
    torch.testing.assert_close(counted, last.mass)
    assert (last.share == 0).any()  # background left no trace


@pytest.mark.parametrize("method", [*DROP, AT_INPUT[0]], ids=str)
@torch.no_grad()
def test_what_is_dropped_has_no_owner_and_the_others_keep_their_order(method: Method) -> None:
    model, records = video_vit(), []
    with merging(model, method, observer=records.append):
        model(torch.randn(3, *CLIPS))
    left = records[-1].tokens.shape[1]
    for owner, share in zip(records[-1].owner, records[-1].share):
        assert owner[owner >= 0].tolist() == list(range(left))
        assert torch.equal(share, (owner >= 0).float())
    assert all(record.mass is None for record in records)


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (RandomMerge([100]), "r=100 at layer 1 exceeds half of 17 tokens; 8 merge"),
        (PiToMe([100]), "r=100 at layer 1 exceeds half of 17 tokens; 8 merge"),
        (SimilarDrop([100]), "r=100 at layer 1 exceeds half of 17 tokens; 8 merge"),
        (RandomDrop([100]), "r=100 at layer 1 exceeds what can go of 17 tokens; 15 are dropped"),
        (RepresentationShift([100]), "r=100 at layer 1 exceeds what can go of 17 tokens; 15 are dropped"),
    ],
)
@torch.no_grad()
def test_too_large_r_takes_what_it_can_and_says_so(method: Method, sentence: str) -> None:
    model = image_vit()
    with merging(model, method), pytest.warns(UserWarning, match=sentence):
        assert model(torch.randn(1, *IMAGES)).isfinite().all()


@pytest.mark.parametrize("method", [*IN_LAYERS, *AT_INPUT], ids=str)
def test_a_method_comes_back_from_what_a_report_keeps_of_it(method: Method) -> None:
    assert build_method(reference(method), **method.option_values()) == method
    assert hash(method) == hash(build_method(reference(method), **method.changed_options()))


@pytest.mark.parametrize("make", [image_vit, averaging_vit])
@torch.no_grad()
def test_autocast_is_survived(make) -> None:
    model, x = make(), torch.randn(2, *IMAGES)
    for method in IN_LAYERS:
        with merging(model, method), torch.autocast("cpu", dtype=torch.bfloat16):
            assert model(x).isfinite().all(), method


def _logits(model: nn.Module, method: Method, x: Tensor) -> Tensor:
    with torch.no_grad(), merging(model, method):
        return model(x)


def test_options_change_what_comes_out() -> None:
    model, x = averaging_vit(), torch.randn(2, *IMAGES)
    outcomes = [_logits(model, method, x) for method in IN_LAYERS]
    for first, outcome in enumerate(outcomes):
        assert not any(torch.allclose(outcome, other, atol=1e-6) for other in outcomes[first + 1 :])
