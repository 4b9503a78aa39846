"""What all readers of videos raise."""


class BrokenVideoError(ValueError):
    """A video that is present but cannot be decoded; the message is one sentence that begins with the file."""
