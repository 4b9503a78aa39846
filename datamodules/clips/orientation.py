"""Pictures as they are meant to be seen: cameras store how they were held in a display matrix."""

import numpy as np
from av.video.frame import VideoFrame

_FINENESS = 50  # turns of less than about a degree beside a right angle are noise


def turn_upright(picture: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """Apply the display matrix of a frame: turns by 90, 180 or 270 degrees, mirrored or not.

    Args:
        picture: ``[h, w, 3]``, the frame's pixels.
        frame: Where the matrix stands; without one the picture is returned as it is.

    Returns:
        ``[h, w, 3]`` or ``[w, h, 3]``. Other turns than these are left out.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return picture
    # x' = a x + c y, y' = b x + d y, in units of 1/65536; see libavutil/display.h
    turn = np.frombuffer(memoryview(matrix), np.int32)[:5].astype(np.float64)  # type: ignore[arg-type]  # a buffer
    a, b, _, c, d = np.rint(turn / max(np.abs(turn).max(), 1) * _FINENESS)  # writers leave noise of rounding
    if a == d == 0 and b and c:
        picture = picture.swapaxes(0, 1)
        flip_x, flip_y = c < 0, b < 0
    elif b == c == 0 and a and d:
        flip_x, flip_y = a < 0, d < 0
    else:
        return picture
    return picture[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
