"""From a scene to frames: a camera over a photograph, anti-aliased objects on top, then flicker and sensor noise.

What the objects cover is drawn on request as well: the truth for whoever looks for them.
"""

import itertools
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from datamodules.demo.pictures.photos import CANVAS_HEIGHT, CANVAS_WIDTH, load_photo
from datamodules.demo.pictures.scenes import HEIGHT, WIDTH, Backdrop, Scene, Track, track
from datamodules.demo.pictures.shapes import distance
from datamodules.demo.pictures.torus import TorusScene, torus_track

RGB = {
    "red": (214, 28, 34),
    "orange": (248, 128, 14),
    "yellow": (252, 224, 40),
    "green": (34, 164, 58),
    "blue": (30, 78, 222),
    "purple": (134, 40, 178),
    "pink": (252, 142, 194),
    "white": (246, 246, 246),
    "black": (18, 18, 22),
}

_RIM_SHARE, _RIM_PIXELS = 0.09, 1.4  # width of the rim: share of the radius, and at most so many pixels
_TRIM_SHARE = {"ring": 0.14, "cross": 0.17, "star": 0.24}  # width of a border, share of the radius: for slender shapes
_WIDE_TRIM = 0.36  # and for all others
_NOISE_POOL = 1 << 20
_TORUS_COPIES = tuple(itertools.product((0, WIDTH, -WIDTH), (0, HEIGHT, -HEIGHT)))


def render(scene: Scene) -> np.ndarray:
    """Draw a scene.

    Returns:
        Frames ``[num_frames, 96, 128, 3]``, uint8 RGB.
    """
    return _film(scene, _painted(scene))


def render_torus(scene: TorusScene) -> np.ndarray:
    """Draw a scene on a torus: what crosses an edge is seen on both sides.

    Returns:
        Frames ``[num_frames, 96, 128, 3]``, uint8 RGB.
    """
    return _film(scene, _painted_on_torus(scene))


def object_cover(scene: Scene) -> np.ndarray:
    """How much of each pixel of :func:`render` is object: body and rim, without the shadow that falls beside them.

    Returns:
        ``[num_frames, 96, 128]`` float32 in 0..1; a pixel on an outline, or of an object that fades in, is in between.
    """
    return _film_cover(scene, _painted(scene))


def object_cover_torus(scene: TorusScene) -> np.ndarray:
    """As :func:`object_cover`, of :func:`render_torus`."""
    return _film_cover(scene, _painted_on_torus(scene))


@dataclass(frozen=True)
class _Painted:
    """An object as it is painted; ``copies`` are the shifts (x, y), in pixels, at which it is seen."""

    shape: str
    colour: str
    path: Track
    copies: tuple[tuple[int, int], ...] = ((0, 0),)
    trim: str | None = None


def _painted(scene: Scene) -> list[_Painted]:
    return [
        _Painted(thing.shape, thing.colour, track(thing, scene.num_frames), trim=thing.trim) for thing in scene.things
    ]


def _painted_on_torus(scene: TorusScene) -> list[_Painted]:
    return [
        _Painted(thing.shape, thing.colour, torus_track(thing, scene.num_frames), copies=_TORUS_COPIES)
        for thing in scene.things
    ]


def _film(scene: Scene | TorusScene, things: list[_Painted]) -> np.ndarray:
    """Film the backdrop, paint the objects, add flicker and noise."""
    rng, num_frames = _generator(scene), scene.num_frames
    shake = _shake(rng, num_frames)
    frames = _film_backdrop(scene.backdrop, num_frames, shake)
    for thing in things:
        _draw(frames, thing, shake)
    flicker = 1.0 + 0.02 * _smooth_noise(rng, num_frames)
    frames *= flicker[:, None, None, None].astype(np.float32)
    starts = rng.integers(0, _NOISE_POOL - frames[0].size, num_frames)
    pool = _noise_pool()
    for frame, start in zip(frames, starts, strict=True):
        frame += pool[start : start + frame.size].reshape(frame.shape) * np.float32(scene.backdrop.noise)
    np.clip(frames, 0, 255, out=frames)
    return frames.astype(np.uint8)


def _film_cover(scene: Scene | TorusScene, things: list[_Painted]) -> np.ndarray:
    """Paint the objects white on black: nothing but how opaque they are is left."""
    shake = _shake(_generator(scene), scene.num_frames)
    white = np.zeros((scene.num_frames, HEIGHT, WIDTH), np.float32)
    for thing in things:
        placed = _Placed.of(thing, shake)
        cover = placed.cover()
        for t, window, inner in _windows(thing, placed):
            patch = white[t][window]
            patch += (1.0 - patch) * cover[t][inner]
    return white


def _generator(scene: Scene | TorusScene) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(scene.seed.encode()))


def _shake(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """The hand's shake ``[num_frames, 2]`` (x, y) in pixels, which moves camera and objects; drawn before all else."""
    return np.stack([_smooth_noise(rng, num_frames), _smooth_noise(rng, num_frames)], axis=1) * 1.2


def _film_backdrop(backdrop: Backdrop, num_frames: int, shake: np.ndarray) -> np.ndarray:
    """Move the camera over the crop; frames ``[num_frames, 96, 128, 3]``, float32 in 0..255."""
    canvas = load_photo(backdrop.photo).resize(
        (CANVAS_WIDTH, CANVAS_HEIGHT), Image.Resampling.LANCZOS, box=backdrop.box
    )
    if backdrop.flip:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    share = np.linspace(0.0, 1.0, num_frames)
    zoom = np.interp(share, (0, 1), backdrop.zoom)
    roll = np.interp(share, (0, 1), backdrop.roll)
    centre_x = CANVAS_WIDTH / 2 + np.interp(share, (0, 1), backdrop.pan[0::2]) - shake[:, 0]
    centre_y = CANVAS_HEIGHT / 2 + np.interp(share, (0, 1), backdrop.pan[1::2]) - shake[:, 1]
    frames = np.empty((num_frames, HEIGHT, WIDTH, 3), np.float32)
    for t in range(num_frames):
        cos, sin = zoom[t] * math.cos(roll[t]), zoom[t] * math.sin(roll[t])
        affine = (
            *(cos, -sin, centre_x[t] - cos * WIDTH / 2 + sin * HEIGHT / 2),
            *(sin, cos, centre_y[t] - sin * WIDTH / 2 - cos * HEIGHT / 2),
        )
        view = canvas.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
        frames[t] = np.asarray(view)
    frames *= np.asarray(backdrop.gains, np.float32)
    return np.minimum(frames, 255, out=frames)


@dataclass(frozen=True)
class _Placed:
    """Where an object is in each frame: a square window around it, ``side`` pixels wide.

    Attributes:
        left: Column at which the window begins, ``[t]``; it may lie outside the frame.
        top: Row likewise.
        dx: From the object's centre to the right, pixels, ``[t, 1, side]``.
        dy: Downwards, ``[t, side, 1]``.
        radius: Of the object, pixels, ``[t, 1, 1]``.
        to_outline: Distance to the outline, pixels, negative inside, ``[t, side, side]``.
        opacity: Of the object, ``[t, 1, 1]``.
    """

    left: np.ndarray
    top: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    radius: np.ndarray
    to_outline: np.ndarray
    opacity: np.ndarray

    @classmethod
    def of(cls, thing: _Painted, shake: np.ndarray) -> "_Placed":
        path = thing.path
        x, y = path.x + shake[:, 0], path.y + shake[:, 1]
        half = math.ceil(path.radius.max() * 1.35) + 3
        left, top = np.floor(x).astype(int) - half, np.floor(y).astype(int) - half
        pixel = np.arange(2 * half + 1, dtype=np.float32) + 0.5
        dx = (pixel + (left - x)[:, None].astype(np.float32))[:, None, :]
        dy = (pixel + (top - y)[:, None].astype(np.float32))[:, :, None]
        cos, sin = (f(path.angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
        radius = path.radius.astype(np.float32)[:, None, None]
        to_outline = radius * distance(thing.shape, (dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / radius)
        return cls(left, top, dx, dy, radius, to_outline, path.opacity.astype(np.float32)[:, None, None])

    def cover(self) -> np.ndarray:
        """How much of each pixel the object covers, in 0..1, ``[t, side, side]``."""
        cover: np.ndarray = np.clip(0.5 - self.to_outline, 0, 1) * self.opacity
        return cover


def _draw(frames: np.ndarray, thing: _Painted, shake: np.ndarray) -> None:
    """Paint one object onto all frames, in place: body with mild shading, a thin rim and a soft shadow."""
    placed = _Placed.of(thing, shake)
    radius, to_outline, cover = placed.radius, placed.to_outline, placed.cover()
    inside = np.clip(0.5 - to_outline - np.minimum(_RIM_SHARE * radius, _RIM_PIXELS), 0, 1)[..., None]
    shadow = np.clip(1.0 - to_outline / 3.0, 0, 1) * placed.opacity * 0.35
    light = 1.0 - 0.10 * (placed.dx + 1.4 * placed.dy) / radius
    colour: np.ndarray = np.asarray(RGB[thing.colour], np.float32)
    if thing.trim is not None:
        width = _TRIM_SHARE.get(thing.shape, _WIDE_TRIM)
        core = np.clip(0.5 - to_outline - width * radius, 0, 1)[..., None]
        colour = colour * core + np.asarray(RGB[thing.trim], np.float32) * (1.0 - core)
    body = colour * light[..., None] + 14.0 * (light[..., None] - 0.9)
    for t, window, inner in _windows(thing, placed):
        patch = frames[t][window]
        patch *= 1.0 - shadow[t][inner][..., None]
        paint = body[t][inner] * inside[t][inner] + _rim_colour(thing.trim or thing.colour) * (1.0 - inside[t][inner])
        patch += (np.minimum(paint, 255) - patch) * cover[t][inner][..., None]


_Window = tuple[slice, slice]


def _windows(thing: _Painted, placed: _Placed) -> Iterator[tuple[int, _Window, _Window]]:
    """Each place where an object is seen: frame, rows and columns there, and those of the outline's window."""
    side = placed.to_outline.shape[-1]
    for t, (shift_x, shift_y) in itertools.product(np.flatnonzero(thing.path.opacity).tolist(), thing.copies):
        rows, inner_rows = _overlap(placed.top[t] + shift_y, side, HEIGHT)
        columns, inner_columns = _overlap(placed.left[t] + shift_x, side, WIDTH)
        if rows.start < rows.stop and columns.start < columns.stop:
            yield t, (rows, columns), (inner_rows, inner_columns)


def _overlap(start: int, length: int, size: int) -> tuple[slice, slice]:
    """Where ``start..start + length`` lies in ``0..size``, as a slice of the latter and of the former."""
    outer = slice(max(start, 0), min(start + length, size))
    return outer, slice(outer.start - start, outer.stop - start)


def _rim_colour(colour: str) -> np.ndarray:
    """A darker tone of a bright colour, a lighter tone of a dark one."""
    rgb = np.asarray(RGB[colour], np.float32)
    luma = float(rgb @ np.asarray((0.299, 0.587, 0.114), np.float32))
    return rgb * 0.45 if luma > 115 else rgb * 0.4 + 255 * 0.6


@cache
def _noise_pool() -> np.ndarray:
    """Standard normal noise made once; every frame takes a slice at a random place, far cheaper than fresh noise."""
    return np.random.default_rng(0).standard_normal(_NOISE_POOL, dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, length: int) -> np.ndarray:
    """Slowly changing values of about -1..1, ``[length]``: random knots, one in four frames, joined by lines."""
    knots = rng.uniform(-1.0, 1.0, length // 4 + 2)
    return np.interp(np.arange(length) / 4, np.arange(len(knots)), knots)
