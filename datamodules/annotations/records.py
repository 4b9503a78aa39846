"""What annotations are read into."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class RetrievalRecords:
    """A gallery of videos, text queries, and which belong to which.

    Attributes:
        videos: Names of the gallery videos as the annotation writes them, in order of first appearance.
        texts: Captions as the annotation writes them; equal captions stay separate queries.
        gt_text_to_videos: For each text the positions of its videos in ``videos``, ascending.
        gt_video_to_texts: For each video the positions of its texts in ``texts``, ascending.
    """

    videos: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    gt_text_to_videos: list[list[int]] = field(default_factory=list)
    gt_video_to_texts: list[list[int]] = field(default_factory=list)

    @classmethod
    def from_captions(cls, captions: Iterable[tuple[str, Iterable[str]]]) -> "RetrievalRecords":
        """One gallery video for each (name, captions), even if a name occurs twice."""
        records = cls()
        for video, texts in captions:
            records.add([video], texts)
        return records

    def add(self, videos: Sequence[str], texts: Iterable[str]) -> None:
        """Append gallery videos and the texts that describe each of them."""
        positions = list(range(len(self.videos), len(self.videos) + len(videos)))
        self.videos.extend(videos)
        self.gt_video_to_texts.extend([] for _ in videos)
        for text in texts:
            self._add_text(text, positions)

    def keep(self, positions: Iterable[int]) -> "RetrievalRecords":
        """The records left when only some gallery videos are; a text stays if any of its videos does.

        Args:
            positions: Positions in ``videos``; the order of the records is kept whatever theirs is.
        """
        kept = sorted(set(positions))
        new_position = {old: new for new, old in enumerate(kept)}
        records = RetrievalRecords(videos=[self.videos[old] for old in kept], gt_video_to_texts=[[] for _ in kept])
        for text, old_positions in zip(self.texts, self.gt_text_to_videos, strict=True):
            videos = [new_position[old] for old in old_positions if old in new_position]
            if videos:
                records._add_text(text, videos)
        return records

    def paragraphs(self) -> "RetrievalRecords":
        """The same gallery, the texts that were added together as the sentences of one, joined by one space."""
        sentences: dict[tuple[int, ...], list[str]] = {}
        for text, videos in zip(self.texts, self.gt_text_to_videos, strict=True):
            sentences.setdefault(tuple(videos), []).append(text)
        records = RetrievalRecords(videos=list(self.videos), gt_video_to_texts=[[] for _ in self.videos])
        for positions, texts in sentences.items():
            records._add_text(" ".join(texts), positions)
        return records

    def captions_by_name(self) -> dict[str, list[str]]:
        """Captions of each video, those of equally named records together, for training."""
        captions: dict[str, list[str]] = {}
        for video, texts in zip(self.videos, self.gt_video_to_texts, strict=True):
            captions.setdefault(video, []).extend(self.texts[text] for text in texts)
        return captions

    def _add_text(self, text: str, positions: Sequence[int]) -> None:
        for position in positions:
            self.gt_video_to_texts[position].append(len(self.texts))
        self.texts.append(text)
        self.gt_text_to_videos.append(list(positions))


@dataclass
class RecognitionRecords:
    """Videos and the one class that each of them shows.

    Attributes:
        videos: Paths as the annotation writes them, never cut to their last part: names may repeat between folders.
        labels: Class of each video, counted from 0.
        class_names: Name of each class, if the annotation comes with names.
        num_classes: Number of classes; if not given, that of the names or one more than the largest label.
    """

    videos: list[str]
    labels: list[int]
    class_names: list[str] | None = None
    num_classes: int = 0

    def __post_init__(self) -> None:
        if not self.num_classes:
            self.num_classes = max(self.labels, default=-1) + 1 if self.class_names is None else len(self.class_names)

    def keep(self, positions: Iterable[int]) -> "RecognitionRecords":
        """The records of some videos, in their old order; the classes stay all."""
        kept = sorted(set(positions))
        videos, labels = [self.videos[old] for old in kept], [self.labels[old] for old in kept]
        return RecognitionRecords(videos, labels, self.class_names, self.num_classes)
