"""Videos made by the tests themselves, so that every pixel is known."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np


def encode_video(
    path: str | Path,
    frames: np.ndarray,
    fps: int = 25,
    codec: str = "libx264",
    crf: int | None = 10,
    gop: int = 12,
    b_frames: int | None = None,
    pix_fmt: str = "yuv420p",
    options: Mapping[str, str] = MappingProxyType({}),
    container_options: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Encode frames into a video file; the suffix of ``path`` decides the container.

    Args:
        path: File to write; missing parent folders are made.
        frames: ``[t, h, w, 3]`` uint8 RGB, with even height and width (chroma is halved).
        fps: Frames per second.
        codec: Name of an FFmpeg encoder.
        crf: Constant rate factor, lower is closer to the input; None for codecs that have none.
        gop: Frames between two key frames.
        b_frames: Most B-frames in a row; None is the encoder's own choice.
        pix_fmt: FFmpeg's name of the pixel format.
        options: Of the encoder.
        container_options: Of the container.

    Returns:
        ``path`` as a :class:`~pathlib.Path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rate_factor = {} if crf is None else {"crf": str(crf)}
    with av.open(str(path), "w", options=dict(container_options)) as container:
        stream = container.add_stream(codec, rate=fps, options=rate_factor | dict(options))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        for frame in frames:
            packets = stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
            container.mux(packets)
        container.mux(stream.encode())
    return path


def numbered_frames(num_frames: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Frames whose pixels tell their index, read back with :func:`frame_numbers`.

    The index is written in binary as two rows of eight black or white cells: no codec can turn one into the other.

    Args:
        num_frames: Number of frames, at most 65536.
        height: Pixels, even.
        width: Pixels, a multiple of 8.

    Returns:
        ``[t, h, w, 3]`` uint8.
    """
    bits = (np.arange(num_frames)[:, None] >> np.arange(16)) & 1  # [t, 16]
    grid = bits.reshape(num_frames, 2, 8).repeat(height // 2, axis=1).repeat(width // 8, axis=2)
    return (grid[..., None].repeat(3, axis=3) * 255).astype(np.uint8)


def frame_numbers(clip: np.ndarray) -> list[int]:
    """The indices that :func:`numbered_frames` wrote into a clip ``[t, c, h, w]`` of uint8, resized or not."""
    clip = np.asarray(clip)
    height, width = clip.shape[2:]
    rows = (np.arange(2) * 2 + 1) * height // 4
    columns = (np.arange(8) * 2 + 1) * width // 16
    bits = clip[:, 0][:, rows][:, :, columns].reshape(len(clip), 16) > 127
    return (bits * (1 << np.arange(16))).sum(axis=1).tolist()
