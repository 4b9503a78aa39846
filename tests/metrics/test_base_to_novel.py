import pytest
import torch

from vidtldr.metrics import BaseToNovelAccuracy


def logits_with(hits: int, total: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of which ``hits`` are right for label 1."""
    logits = torch.zeros(total, 4)
    logits[:hits, 1] = 1.0
    logits[hits:, 2] = 1.0
    return logits, torch.ones(total, dtype=torch.int64)


@pytest.mark.parametrize(("base", "novel", "hm"), [(929, 677, 78.3), (909, 674, 77.4), (864, 653, 74.4)])
def test_published_rows_follow_from_their_accuracies(base, novel, hm):
    accuracy = BaseToNovelAccuracy()
    accuracy.update(*logits_with(base, 1000), half="base")
    accuracy.update(*logits_with(novel, 1000), half="novel")
    assert round(accuracy.compute()["hm"].item(), 1) == hm


def test_the_harmonic_mean_is_that_of_the_means_over_seeds():
    accuracy = BaseToNovelAccuracy(num_seeds=2)
    for seed, (base, novel) in enumerate([(10, 2), (6, 8)]):
        accuracy.update(*logits_with(base, 10), half="base", seed=seed)
        accuracy.update(*logits_with(novel, 20), half="novel", seed=seed)
    scores = {name: value.item() for name, value in accuracy.compute().items()}
    assert scores == pytest.approx({"base": 80.0, "novel": 25.0, "hm": 2 * 80 * 25 / 105})


def test_seeds_that_have_not_come_yet_do_not_count():
    accuracy = BaseToNovelAccuracy(num_seeds=3)
    accuracy.update(*logits_with(5, 10), half="base")
    accuracy.update(*logits_with(5, 10), half="novel")
    assert accuracy.compute()["hm"] == 50


def test_no_hit_at_all_gives_zero_and_not_nan():
    accuracy = BaseToNovelAccuracy()
    for half in ("base", "novel"):
        accuracy.update(*logits_with(0, 3), half=half)
    assert accuracy.compute()["hm"] == 0


def test_batches_add_up():
    accuracy = BaseToNovelAccuracy()
    for hits in (0, 1, 2):
        accuracy.update(*logits_with(hits, 2), half="base")
    accuracy.update(*logits_with(1, 1), half="novel")
    assert accuracy.compute()["base"] == 50


def test_a_half_without_videos_and_a_bad_label_are_refused():
    accuracy = BaseToNovelAccuracy()
    accuracy.update(*logits_with(1, 2), half="base")
    with pytest.raises(ValueError, match="base and novel need videos of the same seeds"):
        accuracy.compute()
    with pytest.raises(ValueError, match="target 9 of query 0"):
        accuracy.update(torch.zeros(1, 4), torch.tensor([9]), half="base")
