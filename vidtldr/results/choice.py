"""Which samples are worth a look: those that methods make the most different things of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vidtldr.results.samples import Sample


@dataclass(frozen=True)
class Chosen:
    """A sample to look at.

    Attributes:
        sample: Its id as ``samples.jsonl`` has it; the name of its video where a video is a sample.
        video: Name of its video.
    """

    sample: str | int
    video: str


class _Unlikeness(NamedTuple):
    """How far a sample of one method is from that of another; the first entries count most."""

    flipped: bool
    predicted_otherwise: bool
    ranks_apart: int


def most_different(samples: Mapping[str, Sequence[Sample]], baseline: str, count: int) -> list[Chosen]:
    """The samples that most methods decide otherwise than the baseline: right here and wrong there.

    Among those of which that is true of as many methods, other predictions come first, then ranks that are far apart,
    then the order of the samples. Where fewer than ``count`` differ the others follow.

    Args:
        samples: Of each method, of the same things in any order.
        baseline: The method that the others are compared with.
        count: Of how many videos.

    Returns:
        One sample for each video.
    """
    own = {_key(sample): sample for sample in samples[baseline]}
    sums = {key: [0, 0, 0] for key in own}
    for name, rows in samples.items():
        for sample in rows if name != baseline else ():
            if (key := _key(sample)) in own:
                sums[key] = [total + each for total, each in zip(sums[key], _unlikeness(sample, own[key]), strict=True)]
    ranked = sorted(own, key=lambda key: [-total for total in sums[key]])  # stable
    first = {str(own[key]["video"]): own[key] for key in reversed(ranked)}
    videos = list(dict.fromkeys(str(own[key]["video"]) for key in ranked))[:count]
    return [Chosen(first[video].get("id", video), video) for video in videos]


def _key(sample: Sample) -> tuple[object, ...]:
    return tuple(sample.get(part) for part in ("video", "query", "id", "seed"))


def _unlikeness(one: Sample, other: Sample) -> _Unlikeness:
    hits = [each.get("correct", each.get("rank") == 1) for each in (one, other)]
    ranks = [int(each.get("rank", 0)) for each in (one, other)]
    return _Unlikeness(hits[0] != hits[1], one.get("prediction") != other.get("prediction"), abs(ranks[0] - ranks[1]))
