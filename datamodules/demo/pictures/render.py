"""From a scene to frames: a camera over a photograph, anti-aliased objects on top, then flicker and sensor noise."""

import itertools
import math
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from datamodules.demo.pictures.photos import CANVAS_HEIGHT, CANVAS_WIDTH, load_photo
from datamodules.demo.pictures.scenes import HEIGHT, WIDTH, Backdrop, Scene, Track, track
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

_GRID_REACH = 1.5  # the distance tables cover -1.5..1.5 radii
_GRID_SIZE = 129
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
    things = [
        _Painted(thing.shape, thing.colour, track(thing, scene.num_frames), trim=thing.trim) for thing in scene.things
    ]
    return _film(scene.backdrop, scene.num_frames, scene.seed, things)


def render_torus(scene: TorusScene) -> np.ndarray:
    """Draw a scene on a torus: what crosses an edge is seen on both sides.

    Returns:
        Frames ``[num_frames, 96, 128, 3]``, uint8 RGB.
    """
    things = [
        _Painted(thing.shape, thing.colour, torus_track(thing, scene.num_frames), copies=_TORUS_COPIES)
        for thing in scene.things
    ]
    return _film(scene.backdrop, scene.num_frames, scene.seed, things)


@dataclass(frozen=True)
class _Painted:
    """An object as it is painted; ``copies`` are the shifts (x, y), in pixels, at which it is seen."""

    shape: str
    colour: str
    path: Track
    copies: tuple[tuple[int, int], ...] = ((0, 0),)
    trim: str | None = None


def _film(backdrop: Backdrop, num_frames: int, seed: str, things: list[_Painted]) -> np.ndarray:
    """Film the backdrop, paint the objects, add flicker and noise."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    frames, shake = _film_backdrop(backdrop, num_frames, rng)
    for thing in things:
        _draw(frames, thing, shake)
    flicker = 1.0 + 0.02 * _smooth_noise(rng, num_frames)
    frames *= flicker[:, None, None, None].astype(np.float32)
    starts = rng.integers(0, _NOISE_POOL - frames[0].size, num_frames)
    pool = _noise_pool()
    for frame, start in zip(frames, starts, strict=True):
        frame += pool[start : start + frame.size].reshape(frame.shape) * np.float32(backdrop.noise)
    np.clip(frames, 0, 255, out=frames)
    return frames.astype(np.uint8)


def _film_backdrop(backdrop: Backdrop, num_frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Move the camera over the crop.

    Returns:
        Frames ``[num_frames, 96, 128, 3]`` float32 in 0..255, and the hand's shake ``[num_frames, 2]`` (x, y) in
        pixels, which moves the objects as well.
    """
    canvas = load_photo(backdrop.photo).resize(
        (CANVAS_WIDTH, CANVAS_HEIGHT), Image.Resampling.LANCZOS, box=backdrop.box
    )
    if backdrop.flip:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    shake = np.stack([_smooth_noise(rng, num_frames), _smooth_noise(rng, num_frames)], axis=1) * 1.2
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
    return np.minimum(frames, 255, out=frames), shake


def _draw(frames: np.ndarray, thing: _Painted, shake: np.ndarray) -> None:
    """Paint one object onto all frames, in place: body with mild shading, a thin rim and a soft shadow."""
    path = thing.path
    x, y = path.x + shake[:, 0], path.y + shake[:, 1]
    half = math.ceil(path.radius.max() * 1.35) + 3
    left, top = np.floor(x).astype(int) - half, np.floor(y).astype(int) - half
    pixel = np.arange(2 * half + 1, dtype=np.float32) + 0.5
    dx = (pixel + (left - x)[:, None].astype(np.float32))[:, None, :]  # [t, 1, w]
    dy = (pixel + (top - y)[:, None].astype(np.float32))[:, :, None]  # [t, w, 1]
    cos, sin = (f(path.angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    radius = path.radius.astype(np.float32)[:, None, None]
    distance = radius * _distance(thing.shape, (dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / radius)
    opacity = path.opacity.astype(np.float32)[:, None, None]
    cover = np.clip(0.5 - distance, 0, 1) * opacity  # [t, w, w]
    inside = np.clip(0.5 - distance - np.minimum(_RIM_SHARE * radius, _RIM_PIXELS), 0, 1)[..., None]
    shadow = np.clip(1.0 - distance / 3.0, 0, 1) * opacity * 0.35
    light = 1.0 - 0.10 * (dx + 1.4 * dy) / radius
    colour = np.asarray(RGB[thing.colour], np.float32)
    if thing.trim is not None:
        width = _TRIM_SHARE.get(thing.shape, _WIDE_TRIM)
        core = np.clip(0.5 - distance - width * radius, 0, 1)[..., None]
        colour = colour * core + np.asarray(RGB[thing.trim], np.float32) * (1.0 - core)
    body = colour * light[..., None] + 14.0 * (light[..., None] - 0.9)
    side = 2 * half + 1
    for t, (shift_x, shift_y) in itertools.product(np.flatnonzero(path.opacity), thing.copies):
        rows, inner_rows = _overlap(top[t] + shift_y, side, HEIGHT)
        columns, inner_columns = _overlap(left[t] + shift_x, side, WIDTH)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        inner = (inner_rows, inner_columns)
        patch = frames[t, rows, columns]
        patch *= 1.0 - shadow[t][inner][..., None]
        paint = body[t][inner] * inside[t][inner] + _rim_colour(thing.trim or thing.colour) * (1.0 - inside[t][inner])
        patch += (np.minimum(paint, 255) - patch) * cover[t][inner][..., None]


def _overlap(start: int, length: int, size: int) -> tuple[slice, slice]:
    """Where ``start..start + length`` lies in ``0..size``, as a slice of the latter and of the former."""
    outer = slice(max(start, 0), min(start + length, size))
    return outer, slice(outer.start - start, outer.stop - start)


def _rim_colour(colour: str) -> np.ndarray:
    """A darker tone of a bright colour, a lighter tone of a dark one."""
    rgb = np.asarray(RGB[colour], np.float32)
    luma = float(rgb @ np.asarray((0.299, 0.587, 0.114), np.float32))
    return rgb * 0.45 if luma > 115 else rgb * 0.4 + 255 * 0.6


def _distance(shape: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to the outline, in radii, negative inside; bilinear look-up in a table made once per shape."""
    table = _distance_table(shape)
    step = (_GRID_SIZE - 1) / (2 * _GRID_REACH)
    u = np.clip((u + _GRID_REACH) * step, 0, _GRID_SIZE - 1.001)
    v = np.clip((v + _GRID_REACH) * step, 0, _GRID_SIZE - 1.001)
    column, row = u.astype(np.int32), v.astype(np.int32)
    u, v = u - column, v - row
    corner = row * _GRID_SIZE + column
    upper = table[corner] * (1 - u) + table[corner + 1] * u
    lower = table[corner + _GRID_SIZE] * (1 - u) + table[corner + _GRID_SIZE + 1] * u
    distance: np.ndarray = upper * (1 - v) + lower * v
    return distance


@cache
def _distance_table(shape: str) -> np.ndarray:
    """Signed distances on a square grid, flattened ``[_GRID_SIZE ** 2]`` float32."""
    axis = np.linspace(-_GRID_REACH, _GRID_REACH, _GRID_SIZE)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    if shape == "ring":
        distance: np.ndarray = (np.abs(np.hypot(*points.T) - 0.76) - 0.28).astype(np.float32)
        return distance
    vertices = _outline(shape)
    following = np.roll(vertices, -1, axis=0)
    nearest = np.full(len(points), np.inf)
    inside = np.zeros(len(points), bool)
    for start, end in zip(vertices, following, strict=True):
        edge, offset = end - start, points - start
        along = np.clip(offset @ edge / (edge @ edge), 0, 1)
        nearest = np.minimum(nearest, np.hypot(*(offset - along[:, None] * edge).T))
        # Even-odd rule: count the edges that cross the half line from the point to the right.
        spans = (start[1] > points[:, 1]) != (end[1] > points[:, 1])
        rise = edge[1] if edge[1] else 1.0
        inside ^= spans & (offset[:, 0] < edge[0] * offset[:, 1] / rise)
    return np.where(inside, -nearest, nearest).astype(np.float32)


def _outline(shape: str) -> np.ndarray:
    """Corners ``[n, 2]`` (x right, y down) of a shape, in radii; all shapes have about the same area."""
    if shape == "circle":
        turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        return np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if shape == "square":
        return 0.88 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    if shape == "triangle":
        return np.array([(0, -1.15), (1.15, 0.85), (-1.15, 0.85)])
    if shape == "star":
        turn = np.arange(10) * np.pi / 5
        reach = np.where(np.arange(10) % 2 == 0, 1.30, 0.54)
        return np.stack([reach * np.sin(turn), -reach * np.cos(turn)], axis=1)
    if shape == "cross":
        a, b = 1.12, 0.36
        corners = [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b)]
        return np.array([*corners, (-b, -b)])
    if shape == "heart":
        turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        across = 16 * np.sin(turn) ** 3
        upwards = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
        return np.stack([across, -upwards - 2.5], axis=1) / 13.5
    if shape == "diamond":
        return np.array([(0, -1.28), (0.78, 0), (0, 1.28), (-0.78, 0)])
    raise ValueError(f"unknown shape {shape!r}")


@cache
def _noise_pool() -> np.ndarray:
    """Standard normal noise made once; every frame takes a slice at a random place, far cheaper than fresh noise."""
    return np.random.default_rng(0).standard_normal(_NOISE_POOL, dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, length: int) -> np.ndarray:
    """Slowly changing values of about -1..1, ``[length]``: random knots, one in four frames, joined by lines."""
    knots = rng.uniform(-1.0, 1.0, length // 4 + 2)
    return np.interp(np.arange(length) / 4, np.arange(len(knots)), knots)
