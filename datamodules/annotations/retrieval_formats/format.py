"""What a format of retrieval annotations is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from datamodules.annotations.content import Content
from datamodules.annotations.records import RetrievalRecords


class RetrievalFormat(ABC):
    """A format, told by content and never by the name of a file.

    Attributes:
        name: What the log calls it.
        shape: What it looks like, for messages.
    """

    name: ClassVar[str]
    shape: ClassVar[str]

    @abstractmethod
    def recognises(self, content: Content) -> bool:
        """Whether a file is of this format, be it damaged or not."""

    @abstractmethod
    def read(self, content: Content) -> RetrievalRecords:
        """The records of a file that was recognised.

        Raises:
            ValueError: A record has not the shape of the format.
            FileNotFoundError: A file that belongs to it is not there.
        """
