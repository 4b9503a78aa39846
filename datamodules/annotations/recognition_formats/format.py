"""What a format of recognition annotations is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.records import RecognitionRecords


class RecognitionFormat(ABC):
    """A format, told by content and never by the name of a file.

    Attributes:
        shapes: What it looks like, for messages; some look in two ways.
    """

    shapes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def recognises(self, content: Content) -> bool:
        """Whether a file is of this format, be it damaged or not.

        Raises:
            ValueError: It may be of this format in two ways, or only seems to be.
        """

    @abstractmethod
    def read(self, content: Content) -> tuple[str, RecognitionRecords]:
        """What the log calls a file that was recognised, with what was met in it; and its records.

        Raises:
            ValueError: A record has not the shape of the format, or an impossible label.
            FileNotFoundError: The numbering of the classes, which it needs, is not there.
        """
