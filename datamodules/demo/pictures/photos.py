"""The photographs behind the objects: those that scikit-image and scikit-learn ship inside their wheels.

Each photograph is cut by a vertical line. Training videos show what is left of it, validation and test videos what is
right of it, so that no background pixel of a test video was ever seen in training.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

# The crop is scaled to this size: the frame (128 x 96) plus what pan, shake, zoom and roll need on each side.
CANVAS_WIDTH, CANVAS_HEIGHT = 160, 128

_TRAIN_END, _UNSEEN_START = 0.60, 0.61  # shares of the photograph's width
_SMALLEST_SCALE, _LARGEST_SCALE = 0.80, 3.0  # source pixels per frame pixel


@dataclass(frozen=True)
class Photo:
    """Where a photograph lies and what may be said of any crop of it.

    Attributes:
        package: Package that ships it.
        file: Path inside the package.
        size: Width and height, pixels.
        places: Phrases that are true of every crop; empty where none is.
        used_width: Share of the width, from the left, that is used; the rest is a blur without content.
    """

    package: str
    file: str
    size: tuple[int, int]
    places: tuple[str, ...] = ()
    used_width: float = 1.0


PHOTOS = {
    "astronaut": Photo("skimage", "data/astronaut.png", (512, 512)),
    "cat": Photo(
        "skimage", "data/chelsea.png", (451, 300), ("in front of a cat", "on top of a cat", "in front of a pet"), 0.91
    ),
    "coffee": Photo("skimage", "data/coffee.png", (600, 400), ("on a wooden table", "above a wooden table")),
    "rocket": Photo("skimage", "data/rocket.jpg", (640, 427), ("at a launch site", "in the evening")),
    "galaxies": Photo(
        "skimage", "data/hubble_deep_field.jpg", (1000, 872), ("in front of the stars", "in outer space", "in space")
    ),
    "garage": Photo("skimage", "data/motorcycle_left.png", (741, 500), ("in a garage", "inside a workshop")),
    "tissue": Photo("skimage", "data/ihc.png", (512, 512)),
    "retina": Photo("skimage", "data/retina.jpg", (1411, 1411)),
    "landscape": Photo("sklearn", "datasets/images/china.jpg", (640, 427), ("outdoors", "over a landscape")),
    "garden": Photo("sklearn", "datasets/images/flower.jpg", (640, 427), ("in a garden", "among plants"), 0.86),
}


def crop_bounds(photo: str, *, unseen: bool) -> tuple[float, float, float, float]:
    """Return the part (left, top, right, bottom) of ``photo``, in its pixels, that a split may use."""
    facts = PHOTOS[photo]
    width, height = facts.size
    if unseen:
        return (width * _UNSEEN_START, 0.0, width * facts.used_width, float(height))
    return (0.0, 0.0, width * _TRAIN_END, float(height))


def scale_range(photo: str) -> tuple[float, float]:
    """Return the smallest and largest source pixels per frame pixel; the same for all splits.

    The held-out part is the narrower one and decides, so that the splits do not differ in scale.
    """
    left, top, right, bottom = crop_bounds(photo, unseen=True)
    largest = min((right - left) / CANVAS_WIDTH, (bottom - top) / CANVAS_HEIGHT, _LARGEST_SCALE)
    return (max(_SMALLEST_SCALE, 0.55 * largest), largest)


@cache
def load_photo(photo: str) -> Image.Image:
    """Read a photograph from the installed package, as RGB.

    Raises:
        FileNotFoundError: The package is missing, or it no longer ships the photograph in the expected size.
    """
    facts = PHOTOS[photo]
    spec = importlib.util.find_spec(facts.package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the demo videos need photographs of {facts.package}: pip install 'vidtldr[demo]'")
    path = Path(spec.origin).parent / facts.file
    if not path.is_file():
        raise FileNotFoundError(f"the installed {facts.package} lacks {path}, a background of the demo videos")
    image = Image.open(path).convert("RGB")
    if image.size != facts.size:
        raise FileNotFoundError(f"{path} is {image.size} pixels, the demo videos were designed for {facts.size}")
    return image
