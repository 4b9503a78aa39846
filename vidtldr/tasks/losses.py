"""Losses of UMT's retrieval fine-tuning: contrastive, and matching with hard negatives."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.models.umt import UMT


def contrastive_loss(logits: Tensor, identity: Tensor) -> Tensor:
    """Symmetric cross-entropy over a batch; pairs of the same video share the target equally.

    Args:
        logits: Cosine similarity over temperature, videos by texts, ``[b, b]``.
        identity: Which video each pair belongs to, ``[b]``.
    """
    target = (identity[:, None] == identity[None, :]).float()
    target = target / target.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2


def matching_loss(
    model: UMT,
    tokens: Tensor,
    hidden: Tensor,
    mask: Tensor,
    similarity: Tensor,
    identity: Tensor,
    *,
    hard_negatives: bool = True,
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
    """
    with torch.no_grad():
        similarity = similarity if hard_negatives else torch.zeros_like(similarity)
        same = identity[:, None] == identity[None, :]
        negative_text = _draw(similarity, same)
        negative_video = _draw(similarity.t(), same)
    videos = torch.cat([tokens, tokens, tokens[negative_video]])
    texts = torch.cat([hidden, hidden[negative_text], hidden])
    masks = torch.cat([mask, mask[negative_text], mask])
    logits = model.match_logits(texts, masks, video_tokens=videos)
    labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    labels[: len(tokens)] = 1
    return F.cross_entropy(logits, labels)


def _draw(logits: Tensor, forbidden: Tensor) -> Tensor:
    weights = logits.float().softmax(dim=1).masked_fill(forbidden, 0) + (~forbidden) * 1e-8  # never all zero
    return torch.multinomial(weights, 1).squeeze(1)
