"""The newer methods against slow computations of one clip, written from their equations on explicit maps."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.vits import IMAGES, averaging_vit, image_vit, slow_block
from vidtldr.merging import Method, PiToMe, RepresentationShift, SimilarDrop, VidTLDR, merging

Layer = Callable[[nn.Module, Tensor, Tensor, int, int], tuple[Tensor, Tensor]]
PREFIX = 1


def _cosine(a: Tensor, b: Tensor) -> float:
    return (a @ b / (a.norm() * b.norm())).item()


def _even_and_odd(num_tokens: int) -> tuple[list[int], list[int]]:
    return [i for i in range(PREFIX, num_tokens) if i % 2 == 0], [i for i in range(PREFIX, num_tokens) if i % 2]


def _matched(x: Tensor, r: int) -> list[tuple[int, int]]:
    """The ``r`` most similar pairs of a source and its destination, most similar first."""
    sources, destinations = _even_and_odd(x.shape[1])
    nearest = {s: max(destinations, key=lambda d: _cosine(x[0, s], x[0, d])) for s in sources}
    best = sorted(sources, key=lambda s: -_cosine(x[0, s], x[0, nearest[s]]))[:r]
    return [(s, nearest[s]) for s in best]


def _keep(x: Tensor, score: list[float], r: int) -> Tensor:
    lowest = sorted(range(PREFIX, x.shape[1]), key=lambda i: score[i])[:r]
    return x[:, [i for i in range(x.shape[1]) if i not in lowest]]


def similar_drop(block: nn.Module, x: Tensor, mass: Tensor, r: int, layer: int) -> tuple[Tensor, Tensor]:
    _, keys, x = slow_block(block, x)
    gone = [source for source, _ in _matched(keys.mean(dim=2), r)]
    x = x[:, [i for i in range(x.shape[1]) if i not in gone]]
    return x + block.mlp(block.norm2(x)), torch.ones(1, x.shape[1])


def attention_shift(block: nn.Module, x: Tensor, mass: Tensor, r: int, layer: int) -> tuple[Tensor, Tensor]:
    _, _, attended = slow_block(block, x)
    x = _keep(attended, [(after - before).norm().item() for after, before in zip(attended[0], x[0])], r)
    return x + block.mlp(block.norm2(x)), torch.ones(1, x.shape[1])


def mlp_shift(block: nn.Module, x: Tensor, mass: Tensor, r: int, layer: int) -> tuple[Tensor, Tensor]:
    _, _, x = slow_block(block, x)
    added = block.mlp(block.norm2(x))
    x = _keep(x + added, [token.norm().item() for token in added[0]], r)
    return x, torch.ones(1, x.shape[1])


def pitome(block: nn.Module, x: Tensor, mass: Tensor, r: int, layer: int) -> tuple[Tensor, Tensor]:
    _, keys, x = slow_block(block, x)  # no mass in attention
    metric, margin, tokens = keys.mean(dim=2)[0], 0.75 * (1 - layer / 4), range(PREFIX, x.shape[1])
    energy = {}
    for i in tokens:
        above = [_cosine(metric[i], metric[j]) - margin for j in tokens]
        energy[i] = sum(v if v > 0 else torch.tensor(v).exp().item() - 1 for v in above) / len(above)
    mergeable = sorted(tokens, key=lambda i: -energy[i])[: 2 * r]
    sources, destinations = mergeable[0::2], mergeable[1::2]
    heir = {s: max(destinations, key=lambda d: _cosine(metric[s], metric[d])) for s in sources}
    kept = [i for i in range(x.shape[1]) if i not in sources]
    groups = [[k, *(s for s in sources if heir[s] == k)] for k in kept]
    x = torch.stack([sum(mass[0, i] * x[0, i] for i in g) / sum(mass[0, i] for i in g) for g in groups]).unsqueeze(0)
    return x + block.mlp(block.norm2(x)), torch.tensor([[sum(mass[0, i] for i in g) for g in groups]])


def _weighted(score: Callable[[Tensor, Tensor, Tensor], list[float]]) -> Layer:
    """A layer of vid-TLDR with a score of one's own: of its maps, and of tokens before and after attention."""

    def layer(block: nn.Module, x: Tensor, mass: Tensor, r: int, layer: int) -> tuple[Tensor, Tensor]:
        before = x
        maps, _, x = slow_block(block, x, mass)
        read = score(maps[0], before[0], x[0])[PREFIX:]
        scaled = [(v - min(read)) / (max(read) - min(read)) for v in read]
        mean = sum(scaled) / len(scaled)
        weight = [0.0] * PREFIX + [max(v - mean, 0) / (max(scaled) - mean) for v in scaled]
        total, tokens = mass.clone(), mass.unsqueeze(-1) * x
        pairs = _matched(x, r)
        for source, target in pairs:
            total[0, target] += weight[source] * mass[0, source]
            tokens[0, target] += weight[source] * mass[0, source] * x[0, source]
        gone = [source for source, _ in pairs]
        sources, destinations = _even_and_odd(x.shape[1])
        kept = [*range(PREFIX), *(s for s in sources if s not in gone), *destinations]
        x = tokens[:, kept] / total[:, kept].unsqueeze(-1)
        return x + block.mlp(block.norm2(x)), total[:, kept]

    return layer


def _per_head(maps: Tensor, before: Tensor, after: Tensor) -> list[float]:
    return [sum((row * row.log()).sum().item() for row in maps[:, query]) / len(maps) for query in range(maps.shape[1])]


def _shift(maps: Tensor, before: Tensor, after: Tensor) -> list[float]:
    return [(b - a).norm().item() for a, b in zip(before, after)]


CASES: list[tuple[Method, Layer]] = [
    (SimilarDrop([5, 0, 3]), similar_drop),
    (RepresentationShift([5, 0, 3, 2], branch="attention"), attention_shift),
    (RepresentationShift([5, 0, 3, 2]), mlp_shift),
    (PiToMe([5, 0, 3, 2]), pitome),
    (VidTLDR([5, 0, 3], entropy="per_head"), _weighted(_per_head)),
    (VidTLDR([5, 0, 3], score="shift"), _weighted(_shift)),
]


@pytest.mark.parametrize(("method", "layer"), CASES, ids=lambda case: str(case) if isinstance(case, Method) else "")
@torch.no_grad()
def test_a_model_equals_a_slow_computation(method: Method, layer: Layer) -> None:
    model, images = image_vit(), torch.randn(3, *IMAGES)
    with merging(model, method):
        logits = model(images)
    for clip, image in enumerate(images):
        x = model.norm_pre(model._pos_embed(model.patch_embed(image.unsqueeze(0))))
        mass = torch.ones(1, x.shape[1])
        for index, (block, r) in enumerate(zip(model.blocks, method.schedule(4))):
            if r:
                x, mass = layer(block, x, mass, r, index)
            else:
                x = slow_block(block, x, mass if method.proportional_attention else None)[2]
                x = x + block.mlp(block.norm2(x))
        expected = model.forward_head(model.norm(x))
        torch.testing.assert_close(logits[clip : clip + 1], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_entropy_of_single_heads_is_at_most_that_of_their_mean() -> None:
    read = {}
    for entropy in ("mean", "per_head"):
        model, records = averaging_vit(), []
        with merging(model, VidTLDR([4], entropy=entropy), observer=records.append):
            model(torch.ones(2, *IMAGES).cumsum(3).sin())
        read[entropy] = records[0].sharpness
    assert (read["per_head"] > read["mean"]).all()


@torch.no_grad()
def test_per_head_entropy_is_what_keys_and_log_sum_exp_say() -> None:
    """Entropy = lse - scale q . (A K): no map is in it."""
    from vidtldr.merging.attention.attend import attend

    query, key, value = torch.randn(3, 2, 4, 9, 8, dtype=torch.float64).unbind(0)
    read = attend(query * 3, key, value, scale=0.4, statistic="head_sharpness").statistic
    scores = query * 3 @ key.mT * 0.4
    entropy = scores.logsumexp(-1) - 0.4 * (query * 3 * (scores.softmax(-1) @ key)).sum(-1)
    torch.testing.assert_close(read, -entropy.mean(dim=1), atol=1e-12, rtol=1e-12)
