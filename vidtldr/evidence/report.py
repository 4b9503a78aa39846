"""What was found, as tables and as JSON: means over videos with 95 % intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vidtldr.evidence.intervals import Estimate, estimate
from vidtldr.evidence.measurements import SCORES, Finding
from vidtldr.evidence.subjects import TRAINED, UNTRAINED, Evidence
from vidtldr.evidence.truth import FOREGROUND_SHARE
from vidtldr.results.bootstrap import DRAWS, LEVEL
from vidtldr.results.text_tables import Block
from vidtldr.storage.json_values import plain

METRICS = {"auc": "ROC AUC", "iou": "IoU at equal area"}
_OTHERS = tuple(score for score in SCORES if score != "saliency")


def blocks(found: Sequence[Evidence]) -> list[Block]:
    """All tables: what is asked first, then layer by layer."""
    return [
        *(_metric_block(found, metric) for metric in METRICS),
        _difference_block(found),
        _late_block(found),
        *(_layer_block(evidence) for evidence in found),
    ]


def as_json(found: Sequence[Evidence], *, videos: int, seed: int) -> dict[str, Any]:
    """All numbers; of each quantity ``mean``, ``low`` and ``high``."""
    facts = {
        "videos": f"the first {videos} of each test set, of several lists by turns",
        "seed": seed,
        "intervals": f"{LEVEL:.0%} by bootstrap over videos, {DRAWS} draws",
        "foreground": f"tokens of whose pixels objects cover more than {FOREGROUND_SHARE:g}",
    }
    content: dict[str, Any] = plain({"facts": facts, "models": [_model_json(evidence) for evidence in found]})
    return content


def merging_mean(evidence: Evidence, values: np.ndarray) -> np.ndarray:
    """Mean over the layers in which vid-TLDR merges, where it looks at saliency; ``[videos, layers, ...]``."""
    mean: np.ndarray = values[:, list(evidence.subject.merging_layers)].mean(axis=1)
    return mean


def late_share(shares: np.ndarray) -> np.ndarray:
    """The part of the later half of the steps, of shares ``[..., t]``; a middle step counts half."""
    steps = shares.shape[-1]
    weight = np.clip(np.arange(steps) - steps / 2 + 1, 0, 1)
    return np.asarray(shares @ weight)


def _metric_block(found: Sequence[Evidence], metric: str) -> Block:
    rows = [
        [name, *(_cell(estimate(merging_mean(evidence, getattr(findings[score], metric)))) for score in SCORES)]
        for name, evidence, findings in _rows(found)
    ]
    title = f"Foreground found: {METRICS[metric]}, mean of the layers in which vid-TLDR merges [95 % interval]"
    return Block(title, ["model", *SCORES], rows)


def _difference_block(found: Sequence[Evidence]) -> Block:
    """Paired: both scores saw the same videos."""
    rows = []
    for name, evidence, findings in _rows(found):
        cells = [
            _cell(estimate(merging_mean(evidence, _gain(findings["saliency"], findings[other], metric))), signed=True)
            for metric in METRICS
            for other in ("attentiveness", "rollout")
        ]
        rows.append([name, *cells])
    columns = [f"{other} {name}" for name in ("AUC", "IoU") for other in ("attentiveness", "rollout")]
    title = "Saliency minus its rivals, in the same layers: difference [95 % interval]"
    return Block(title, ["model", *columns], rows)


def _late_block(found: Sequence[Evidence]) -> Block:
    """Shares in percent."""
    rows = []
    for name, evidence, findings in _rows(found):
        objects = np.stack([each.shares for each in evidence.foreground])
        shares = [objects, *(merging_mean(evidence, findings[score].shares) for score in SCORES)]
        rows.append([name, *(_cell(estimate(100 * late_share(each)), digits=1) for each in shares)])
    title = "Late frames: share of the later half in the sum of scores, in percent, in the same layers [95 % interval]"
    return Block(title, ["model", "objects", *SCORES], rows)


def _layer_block(evidence: Evidence) -> Block:
    columns = {
        f"{score} {weights}": estimate(findings[score].auc)
        for weights, findings in evidence.findings.items()
        for score in ("saliency", "attentiveness")
    }
    rows = []
    for layer in range(evidence.subject.num_layers):
        mark = " *" if layer in evidence.subject.merging_layers else ""
        rows.append([f"{layer + 1}{mark}", *(_cell(each, layer) for each in columns.values())])
    title = f"{evidence.subject.name}: {METRICS['auc']} by layer; * vid-TLDR merges here [95 % interval]"
    return Block(title, ["layer", *columns], rows)


def _rows(found: Sequence[Evidence]) -> list[tuple[str, Evidence, dict[str, Finding]]]:
    """Trained models first, then untrained ones."""
    return [
        (f"{evidence.subject.name}, {weights}", evidence, evidence.findings[weights])
        for weights in (TRAINED, UNTRAINED)
        for evidence in found
        if weights in evidence.findings
    ]


def _gain(better: Finding, other: Finding, metric: str) -> np.ndarray:
    gain: np.ndarray = getattr(better, metric) - getattr(other, metric)
    return gain


def _cell(found: Estimate, *place: int, digits: int = 2, signed: bool = False) -> str:
    mean, low, high = found.at(*place)
    if not np.isfinite(mean):
        return "-"
    sign = "+" if signed else ""
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def _model_json(evidence: Evidence) -> dict[str, Any]:
    subject, objects = evidence.subject, np.stack([each.shares for each in evidence.foreground])
    return {
        "config": subject.name,
        "grid": subject.grid.shape,
        "frames_encoded_alone": subject.grid.images_per_clip > 1,
        "merging_layers": [layer + 1 for layer in subject.merging_layers],
        "videos": evidence.videos,
        "videos_without_foreground": sum(each.tokens == 0 for each in evidence.foreground),
        "foreground_tokens": _json(np.array([each.tokens for each in evidence.foreground])),
        "object_frame_shares": _json(objects),
        "object_late_share": _json(late_share(objects)),
        "weights": {weights: _weights_json(evidence, weights) for weights in evidence.findings},
    }


def _weights_json(evidence: Evidence, weights: str) -> dict[str, Any]:
    findings = evidence.findings[weights]
    saliency, untrained = findings["saliency"], evidence.findings[UNTRAINED]
    content: dict[str, Any] = {"scores": {score: _score_json(evidence, findings[score]) for score in SCORES}}
    content["saliency_minus"] = {
        other: {metric: _by_layer(evidence, _gain(saliency, findings[other], metric)) for metric in METRICS}
        for other in _OTHERS
    }
    if weights != UNTRAINED:
        content["minus_untrained"] = {
            score: {metric: _by_layer(evidence, _gain(findings[score], untrained[score], metric)) for metric in METRICS}
            for score in SCORES
        }
    return content


def _score_json(evidence: Evidence, finding: Finding) -> dict[str, Any]:
    return {
        **{metric: _by_layer(evidence, getattr(finding, metric)) for metric in METRICS},
        "frame_auc": _by_layer(evidence, finding.frame_auc),
        "frame_iou": _by_layer(evidence, finding.frame_iou),
        "frame_shares": _by_layer(evidence, finding.shares),
        "late_share": _by_layer(evidence, late_share(finding.shares)),
    }


def _by_layer(evidence: Evidence, values: np.ndarray) -> dict[str, Any]:
    return {"layers": _json(values), "merging_layers": _json(merging_mean(evidence, values))}


def _json(values: np.ndarray) -> dict[str, Any]:
    found = estimate(values)
    return {name: np.round(getattr(found, name), 5) for name in ("mean", "low", "high")}
