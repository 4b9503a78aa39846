"""Losses of UMT's retrieval fine-tuning: contrastive, and matching with hard negatives."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.models.umt import UMT
from vidtldr.tasks.retrieval.swapped_words import WrongTexts

_NEVER = -1e4  # logit of a negative that is not there; minus infinity times its target of 0 would be NaN


def contrastive_loss(logits: Tensor, identity: Tensor, wrong: Tensor | None = None) -> Tensor:
    """Symmetric cross-entropy over a batch; pairs of the same video share the target equally.

    Args:
        logits: Cosine similarity over temperature, videos by texts, ``[b, b]``.
        identity: Which video each pair belongs to, ``[b]``.
        wrong: Logits of videos and captions that were made wrong for them, ``[b]``: further negatives of each video.
    """
    target = (identity[:, None] == identity[None, :]).float()
    target = target / target.sum(dim=1, keepdim=True)
    of_texts = F.cross_entropy(logits.t(), target)
    if wrong is not None:
        logits, target = torch.cat([logits, wrong.unsqueeze(1)], dim=1), F.pad(target, (0, 1))
    return (F.cross_entropy(logits, target) + of_texts) / 2


def wrong_logits(video: Tensor, wrong: WrongTexts, temperature: Tensor) -> Tensor:
    """Cosine similarity over temperature of videos ``[b, e]`` and captions made wrong for them, ``[b]``."""
    logits = torch.full_like(video[:, 0], _NEVER)
    return logits.index_put((wrong.rows,), ((video[wrong.rows] * wrong.features).sum(dim=1) / temperature).to(video))


def matching_loss(
    model: UMT,
    tokens: Tensor,
    hidden: Tensor,
    mask: Tensor,
    similarity: Tensor,
    identity: Tensor,
    *,
    hard_negatives: bool = True,
    wrong: WrongTexts | None = None,
) -> Tensor:
    """Binary matching of each true pair against one negative text and one negative video.

    Negatives are never from the same video.

    Args:
        model: Fuses and classifies.
        tokens: Video tokens, ``[b, n, d]``.
        hidden: Text states, ``[b, l, d]``.
        mask: Nonzero for real text tokens, ``[b, l]``.
        similarity: Contrastive logits, videos by texts, ``[b, b]``.
        identity: Which video each pair belongs to, ``[b]``; at least two different ones.
        hard_negatives: Draw negatives with the probability that the contrastive head gives them (UMT's choice)
            instead of evenly. A fusion encoder with random weights learns nothing from hard ones.
        wrong: Captions made wrong, each a negative of its own video.
    """
    with torch.no_grad():
        similarity = similarity if hard_negatives else torch.zeros_like(similarity)
        same = identity[:, None] == identity[None, :]
        negative_text = _draw(similarity, same)
        negative_video = _draw(similarity.t(), same)
    videos = [tokens, tokens, tokens[negative_video]]
    texts, masks = [hidden, hidden[negative_text], hidden], [mask, mask[negative_text], mask]
    if wrong is not None:
        videos, texts, masks = [*videos, tokens[wrong.rows]], [*texts, wrong.hidden], [*masks, mask[wrong.rows]]
    logits = model.match_logits(torch.cat(texts), torch.cat(masks), video_tokens=torch.cat(videos))
    labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    labels[: len(tokens)] = 1
    return F.cross_entropy(logits, labels)


def _draw(logits: Tensor, forbidden: Tensor) -> Tensor:
    weights = logits.float().softmax(dim=1).masked_fill(forbidden, 0) + (~forbidden) * 1e-8  # never all zero
    return torch.multinomial(weights, 1).squeeze(1)
