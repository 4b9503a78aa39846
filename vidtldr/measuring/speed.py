"""Clips per second of an evaluation, and what else it takes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Speed:
    """What was measured over one evaluation: one test, or one for each seed.

    Attributes:
        encoder_clips_per_second: Clips per second of the test step (normalise, encode, keep the tokens), the device
            synchronised; without decoding and transfer. None if nothing was measured.
        end_to_end_clips_per_second: Clips per second by the clock on the wall, decoding in the workers included.
        clips_measured: Clips that both rates rest on; the first batch of a test is a warm-up if there is more than one.
        peak_memory_bytes: See ``peak_memory_of``.
        peak_memory_of: What the peak is one of.
        seconds: All tests as a whole: encoding, re-ranking, start of the workers.
        input_seconds: How long of that the model waited for decoded clips.
        kept_videos: Videos that had been decoded before, for another method or seed; the most of any test.
    """

    encoder_clips_per_second: float | None
    end_to_end_clips_per_second: float | None
    clips_measured: int
    peak_memory_bytes: int
    peak_memory_of: str
    seconds: float
    input_seconds: float = 0.0
    kept_videos: int = 0

    def with_others(self, others: Sequence["Speed"]) -> "Speed":
        """The speed of several processes at work together: clips add up, the longest and the largest count."""
        every = (self, *others)
        return replace(
            self,
            encoder_clips_per_second=_sum(speed.encoder_clips_per_second for speed in every),
            end_to_end_clips_per_second=_sum(speed.end_to_end_clips_per_second for speed in every),
            clips_measured=sum(speed.clips_measured for speed in every),
            peak_memory_bytes=max(speed.peak_memory_bytes for speed in every),
            seconds=max(speed.seconds for speed in every),
            input_seconds=max(speed.input_seconds for speed in every),
            kept_videos=sum(speed.kept_videos for speed in every),
        )


@dataclass(frozen=True)
class Measured:
    """Clips behind the warm-up and how long they took."""

    clips: int = 0
    encoder_seconds: float = 0.0
    end_to_end_seconds: float = 0.0

    def __add__(self, other: "Measured") -> "Measured":
        """Both together."""
        return Measured(
            self.clips + other.clips,
            self.encoder_seconds + other.encoder_seconds,
            self.end_to_end_seconds + other.end_to_end_seconds,
        )

    def per_second(self, seconds: float) -> float | None:
        """Clips per second of this time; None without a clip."""
        return self.clips / seconds if self.clips else None


@dataclass
class ClipClock:
    """Clips and the instants (seconds) between which they were encoded; batches without clips only take time."""

    start: float
    batches: list[tuple[int, float, float]] = field(default_factory=list)

    def add(self, clips: int, begin: float, end: float) -> None:
        """Note a batch of so many clips, and when it entered the model and left it."""
        self.batches.append((clips, begin, end))

    def measured(self) -> Measured:
        """What counts: all batches behind the first that has clips, if others follow it."""
        filled = [index for index, (clips, _, _) in enumerate(self.batches) if clips]
        if not filled:
            return Measured()
        measured, since = self.batches, self.start
        if len(filled) > 1:
            warm_up = self.batches[filled[0]]
            measured, since = self.batches[filled[0] + 1 :], warm_up[2]
        clips = sum(batch[0] for batch in measured)
        encoder_seconds = sum(end - begin for count, begin, end in measured if count)
        return Measured(clips, encoder_seconds, measured[-1][2] - since)


def _sum(rates: Iterable[float | None]) -> float | None:
    measured = [rate for rate in rates if rate is not None]
    return sum(measured) if measured else None
