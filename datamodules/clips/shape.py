"""The shape of clips, on which a model and its data must agree."""


class ClipShape:
    """What makes clips of a shape; ``--model.help`` and ``--data.help`` take what is said here.

    Args:
        num_frames: Frames of a clip.
        image_size: Height and width of a frame in pixels.
    """

    num_frames: int
    image_size: int

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """``(t, c, h, w)`` of a clip."""
        return self.num_frames, 3, self.image_size, self.image_size
