"""Pictures made by a formula, and what OpenCV's resize makes of them.

``tests/data/opencv_resize.npz`` holds, of each size in it, the result of

    cv2.resize(picture(h, w, c), (width, height), interpolation=cv2.INTER_LINEAR)

under the name ``h,w,c->height,width``, and the version of cv2 as ``cv2_version``. OpenCV 4.10, 4.12 and 5.0 gave the
same bytes, with and without its vector code and threads.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_STORED = Path(__file__).parents[1] / "data" / "opencv_resize.npz"


def picture(height: int, width: int, channels: int) -> np.ndarray:
    """A noisy picture ``[h, w, c]`` uint8 by a formula that no version of a library changes."""
    place = np.arange(height * width * channels, dtype=np.uint64)
    return (place * np.uint64(2654435761) >> np.uint64(13)).astype(np.uint8).reshape(height, width, channels)


def frames(height: int, width: int, channels: int) -> Tensor:
    """The picture as one frame ``[1, c, h, w]``, in a decoder's memory layout."""
    return torch.from_numpy(picture(height, width, channels)).permute(2, 0, 1)[None]


def resized_by_opencv() -> dict[tuple[int, int, int], dict[tuple[int, int], Tensor]]:
    """From the height, width and channels of a picture to its results ``[1, c, height, width]`` by height and width."""
    results: dict[tuple[int, int, int], dict[tuple[int, int], Tensor]] = {}
    with np.load(_STORED) as stored:
        for name in set(stored.files) - {"cv2_version"}:
            (h, w, c), shape = (tuple(map(int, part.split(","))) for part in name.split("->"))
            results.setdefault((h, w, c), {})[shape] = torch.from_numpy(stored[name]).permute(2, 0, 1)[None]
    return results
