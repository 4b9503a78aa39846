import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.reference import load
from vidtldr.metrics import MultiViewAccuracy

VIDEOS, VIEWS, CLASSES = 7, 6, 5


def clips(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, video, view and label of each view of each video."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(VIDEOS * VIEWS, CLASSES, generator=generator)
    video = torch.arange(VIDEOS).repeat_interleave(VIEWS)
    label = torch.randint(CLASSES, (VIDEOS,), generator=generator)[video]
    return logits, video, torch.arange(VIEWS).repeat(VIDEOS), label


def accuracy(**options: object) -> MultiViewAccuracy:
    return MultiViewAccuracy(VIDEOS, CLASSES, VIEWS, top_k=(1, 3), **options)


def counted(order: torch.Tensor, cuts: list[int]) -> MultiViewAccuracy:
    metric = accuracy()
    for part in order.tensor_split(cuts):
        metric.update(*(value[part] for value in clips()))
    return metric


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(1, VIDEOS * VIEWS - 1), max_size=8))
def test_scores_do_not_depend_on_how_views_are_spread_over_batches(seed, cuts):
    whole = counted(torch.arange(VIDEOS * VIEWS), [])
    spread = counted(torch.randperm(VIDEOS * VIEWS, generator=torch.Generator().manual_seed(seed)), sorted(cuts))
    assert torch.equal(whole.scores(), spread.scores())
    assert whole.compute() == spread.compute()


def test_a_score_is_the_mean_of_the_softmax_of_the_views():
    logits = clips()[0].double().view(VIDEOS, VIEWS, CLASSES)
    scores = counted(torch.arange(VIDEOS * VIEWS), [11, 20]).scores()
    torch.testing.assert_close(scores, logits.softmax(dim=2).mean(dim=1), atol=1e-11, rtol=0)


def test_two_processes_add_up_to_one():
    order = torch.randperm(VIDEOS * VIEWS)
    first, second = counted(order[:20], []), counted(order[20:], [])
    for name, reduction in first._reductions.items():
        setattr(first, name, reduction(torch.stack([getattr(first, name), getattr(second, name)])))
    whole = counted(torch.arange(VIDEOS * VIEWS), [])
    assert torch.equal(first.scores(), whole.scores())
    assert first.compute() == whole.compute()


def test_official_views_give_the_official_accuracy():
    data = load("videomae_views")
    logits = torch.from_numpy(data["merge/logits"])
    videos, *views, classes = logits.shape
    num_views = views[0] * views[1]
    metric = MultiViewAccuracy(videos, classes, num_views)
    video = torch.arange(videos).repeat_interleave(num_views)
    labels = torch.from_numpy(data["merge/labels"]).long()
    metric.update(logits.flatten(0, 2), video, torch.arange(num_views).repeat(videos), labels[video])
    scores = metric.compute()
    official = {key: float(data[f"merge/{key}"]) for key in ("top1", "top5")}
    assert {key: value.item() for key, value in scores.items()} == pytest.approx(official, abs=1e-4)


def test_a_view_that_comes_twice_counts_once():
    metric = counted(torch.arange(VIDEOS * VIEWS), [])
    scores = metric.scores()
    metric.update(*(value[3:9] for value in clips()))
    assert torch.equal(metric.scores(), scores)
    twice = accuracy()
    twice.update(*(torch.cat([value, value]) for value in clips()))
    assert torch.equal(twice.scores(), scores)


def test_a_view_on_two_processes_is_refused():
    metric = counted(torch.arange(VIDEOS * VIEWS), [])
    metric.views *= 2  # what a sum over two processes does
    metric.seen *= 2
    with pytest.raises(ValueError, match="views of 7 videos were evaluated on two processes"):
        metric.compute()


def test_a_video_without_views_is_left_out_and_one_with_some_is_refused():
    logits, video, view, label = clips()
    metric = accuracy()
    kept = video != 2
    metric.update(logits[kept], video[kept], view[kept], label[kept])
    expected = (logits.view(VIDEOS, VIEWS, -1).softmax(-1).mean(1).argmax(1) == label[::VIEWS])[[0, 1, 3, 4, 5, 6]]
    assert metric.compute()["top1"].item() == pytest.approx(100 * expected.double().mean().item())
    metric.update(logits[12:13], video[12:13], view[12:13], label[12:13])
    with pytest.raises(ValueError, match="1 videos lack some of their 6 views"):
        metric.compute()


def test_constant_scores_rank_in_the_order_of_the_classes():
    metric = MultiViewAccuracy(3, CLASSES, 1, top_k=(1, 2))
    metric.update(torch.zeros(3, CLASSES), torch.arange(3), torch.zeros(3, dtype=torch.int64), torch.tensor([0, 1, 2]))
    assert {key: round(value.item()) for key, value in metric.compute().items()} == {"top1": 33, "top2": 67}


def test_bad_input_is_refused():
    logits, video, view, label = clips()
    metric = accuracy()
    with pytest.raises(ValueError, match="for 5 classes"):
        metric.update(logits[:, :4], video, view, label)
    with pytest.raises(ValueError, match="1 of 42 clips have NaN logits"):
        metric.update(logits.index_fill(0, torch.tensor([3]), torch.nan), video, view, label)
    with pytest.raises(ValueError, match=r"labels from 5 to 5 are not in 0\.\.4"):
        metric.update(logits[:1], video[:1], view[:1], torch.tensor([5]))
    with pytest.raises(ValueError, match="accuracy of no videos"):
        metric.compute()
    with pytest.raises(ValueError, match="num_views=63 exceeds 62"):
        MultiViewAccuracy(1, 1, 63)
