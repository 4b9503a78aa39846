"""What is in a demo video: objects, their motion, the photograph behind them and the camera, all drawn from one seed.

Coordinates are pixels of the finished frame, x to the right and y down. Everything that a caption may claim (shape,
colour, motion, late appearance, place) is a field of :class:`Scene`; rendering adds nothing that could contradict it.
"""

import math
import random
from dataclasses import dataclass, replace

import numpy as np

from datamodules.demo.pictures.photos import CANVAS_HEIGHT, CANVAS_WIDTH, PHOTOS, crop_bounds, scale_range

WIDTH, HEIGHT, FPS = 128, 96, 25
MIN_FRAMES, MAX_FRAMES = 32, 56

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "heart", "diamond")
MOTIONS = ("right", "left", "up", "down", "circling", "spinning", "growing", "shrinking")

_ROUND_SHAPES = ("circle", "ring")  # a spin of these cannot be seen
_LATE_SHARE = 1 / 3


@dataclass(frozen=True)
class Style:
    """What the objects of a set look like.

    Attributes:
        one_object_share: Share of the videos with one object; the others have two.
        radius: Smallest and largest radius of an object, pixels.
        circling_radius: That of one on an orbit, which needs room.
        spinning_radius: That of a spinning one, whose outline must be seen.
        changing_radius: That of a growing or shrinking one where it is largest.
        across: How far an object goes to the left or right, smallest and largest share of the frame's width.
        upright: How far up or down, shares of the height.
        tries: How often a second object is placed again until it is clear of the first.
        trimmed: Whether objects have a border in a colour of its own.
    """

    one_object_share: float
    radius: tuple[float, float]
    circling_radius: tuple[float, float]
    spinning_radius: tuple[float, float]
    changing_radius: tuple[float, float]
    across: tuple[float, float]
    upright: tuple[float, float]
    tries: int
    trimmed: bool


PLAIN = Style(
    one_object_share=0.47,
    radius=(11.5, 16.0),
    circling_radius=(10.5, 13.5),
    spinning_radius=(13.5, 17.0),
    changing_radius=(16.5, 20.0),
    across=(0.40, 0.70),
    upright=(0.45, 0.66),
    tries=30,
    trimmed=False,
)
TRIMMED = Style(
    one_object_share=0.25,
    radius=(17.0, 21.5),
    circling_radius=(14.0, 17.0),
    spinning_radius=(18.0, 22.0),
    changing_radius=(21.0, 25.0),
    across=(0.40, 0.65),
    upright=(0.45, 0.60),
    tries=200,
    trimmed=True,
)


@dataclass(frozen=True)
class Thing:
    """One foreground object and all that decides where it is in every frame.

    Attributes:
        shape: One of ``SHAPES``.
        colour: One of ``COLOURS``.
        motion: One of ``MOTIONS``.
        first_frame: First frame in which the object is drawn; 0 unless it appears late.
        fade_frames: Frames from invisible to opaque, 0 for an object that pops in.
        x: Horizontal position at the first visible frame (centre of the orbit when circling), pixels.
        y: Vertical position likewise, pixels.
        radius: Largest radius while visible, pixels.
        extent: How far the motion goes: pixels for the four directions and for the orbit's radius, radians per video
            for spinning, the ratio smallest / largest radius for growing and shrinking.
        turns: Signed revolutions while visible (circling only).
        sideways: Drift across the direction of motion while visible, pixels.
        tilt: Angle of the shape at the first visible frame, radians.
        trim: Colour of the border, another one of ``COLOURS``; None where it has none.
    """

    shape: str
    colour: str
    motion: str
    first_frame: int
    fade_frames: int
    x: float
    y: float
    radius: float
    extent: float
    turns: float
    sideways: float
    tilt: float
    trim: str | None = None

    @property
    def late(self) -> bool:
        """Whether the object is absent at the start of the video."""
        return self.first_frame > 0


@dataclass(frozen=True)
class Backdrop:
    """A crop of a photograph and a camera that moves slowly over it.

    Attributes:
        photo: Name in ``PHOTOS``.
        box: Crop (left, top, right, bottom), pixels of the photograph.
        flip: Whether the crop is mirrored left to right.
        pan: Camera centre relative to the crop's centre at the start and end: (x0, y0, x1, y1), pixels.
        zoom: Width of the view relative to the frame at the start and end.
        roll: Camera roll at the start and end, radians.
        gains: Factors on red, green and blue (exposure and colour of the light).
        noise: Standard deviation of the sensor noise, 8-bit levels.
    """

    photo: str
    box: tuple[float, float, float, float]
    flip: bool
    pan: tuple[float, float, float, float]
    zoom: tuple[float, float]
    roll: tuple[float, float]
    gains: tuple[float, float, float]
    noise: float


@dataclass(frozen=True)
class Scene:
    """Content of one video; ``things`` holds one or two objects that differ in shape and in colour."""

    num_frames: int
    things: tuple[Thing, ...]
    backdrop: Backdrop
    seed: str


@dataclass(frozen=True)
class Track:
    """Pose of one object in every frame, arrays ``[num_frames]``, float64.

    Attributes:
        x: Centre, pixels from the left edge.
        y: Centre, pixels from the top edge.
        radius: Size, pixels.
        angle: Rotation, radians.
        opacity: 0 before the object appears, then up to 1.
    """

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    opacity: np.ndarray


def make_scene(seed: str, *, unseen: bool, style: Style = PLAIN) -> Scene:
    """Draw one scene.

    Args:
        seed: Any text; equal text gives an equal scene on every machine and for every number of processes.
        unseen: Whether the background comes from the part of the photographs kept for validation and test.
        style: What the objects look like.

    Returns:
        The scene.
    """
    # random.Random keeps its stream over Python versions for a text seed; NumPy promises less for its Generator.
    rng = random.Random(f"{seed}/scene")
    num_frames = rng.randint(MIN_FRAMES, MAX_FRAMES)
    things = _draw_things(rng, num_frames, style)
    return Scene(num_frames, things, draw_backdrop(rng, unseen), seed)


def track(thing: Thing, num_frames: int) -> Track:
    """Compute where ``thing`` is in each of ``num_frames`` frames."""
    frame = np.arange(num_frames, dtype=np.float64)
    last = num_frames - 1
    progress = np.clip((frame - thing.first_frame) / max(last - thing.first_frame, 1), 0.0, 1.0)
    x = np.full(num_frames, thing.x)
    y = np.full(num_frames, thing.y)
    radius = np.full(num_frames, thing.radius)
    angle = np.full(num_frames, thing.tilt)
    if thing.motion in ("right", "left"):
        x = x + thing.extent * progress * (1 if thing.motion == "right" else -1)
        y = y + thing.sideways * progress
    elif thing.motion in ("down", "up"):
        y = y + thing.extent * progress * (1 if thing.motion == "down" else -1)
        x = x + thing.sideways * progress
    elif thing.motion == "circling":
        phase = thing.tilt * 8 + 2 * math.pi * thing.turns * progress  # the tilt is small: spread it over the circle
        x, y = x + thing.extent * np.cos(phase), y + thing.extent * np.sin(phase)
    elif thing.motion == "spinning":
        angle = angle + thing.extent * frame / num_frames
    else:
        share = progress if thing.motion == "growing" else 1.0 - progress
        radius = thing.radius * (thing.extent + (1.0 - thing.extent) * share)
    age = frame - thing.first_frame
    opacity = np.where(age >= 0, np.minimum((age + 1) / (thing.fade_frames + 1), 1.0), 0.0)
    return Track(x, y, radius, angle, opacity)


def _draw_things(rng: random.Random, num_frames: int, style: Style) -> tuple[Thing, ...]:
    """Draw one or two objects; a second one is placed again until it hardly overlaps the first."""
    count = 1 if rng.random() < style.one_object_share else 2
    colours, shapes = rng.sample(COLOURS, count), rng.sample(SHAPES, count)
    motions = [rng.choice([m for m in MOTIONS if m != "spinning" or s not in _ROUND_SHAPES]) for s in shapes]
    late_index = rng.randrange(count) if rng.random() < _LATE_SHARE else None
    # At most 58 %: then the last three of eight evenly spread frames show the object.
    onset = round(rng.uniform(0.30, 0.58) * num_frames)
    starts = [onset if i == late_index else 0 for i in range(count)]
    best: tuple[Thing, ...] = ()
    best_gap = -math.inf
    for _ in range(style.tries):
        things = tuple(_place(rng, style, *facts) for facts in zip(shapes, colours, motions, starts, strict=True))
        gap = _smallest_gap(things, num_frames)
        if gap > best_gap:
            best, best_gap = things, gap
        if gap > 0:
            break
    if style.trimmed:  # all colours of a video differ
        trims = rng.sample([colour for colour in COLOURS if colour not in colours], count)
        best = tuple(replace(thing, trim=trim) for thing, trim in zip(best, trims, strict=True))
    return best


def _smallest_gap(things: tuple[Thing, ...], num_frames: int) -> float:
    """Smallest distance in pixels between the edges of two objects; infinite for one object."""
    if len(things) < 2:
        return math.inf
    a, b = (track(thing, num_frames) for thing in things)
    gap = np.hypot(a.x - b.x, a.y - b.y) - a.radius - b.radius
    return float(gap[(a.opacity > 0) & (b.opacity > 0)].min())


def _place(rng: random.Random, style: Style, shape: str, colour: str, motion: str, first_frame: int) -> Thing:
    """Draw size, path and position of one object so that it stays inside the frame (but for a few pixels)."""
    radius, extent, turns = rng.uniform(*style.radius), 0.0, 0.0
    reach_x = reach_y = 0.0  # how far the centre leaves (x, y) to either side
    if motion in ("left", "right"):
        extent = rng.uniform(*style.across) * WIDTH
    elif motion in ("up", "down"):
        extent = rng.uniform(*style.upright) * HEIGHT
    elif motion == "circling":
        radius, extent = rng.uniform(*style.circling_radius), rng.uniform(17.0, 25.0)
        turns = rng.choice((-1, 1)) * (rng.uniform(0.9, 1.3) if first_frame == 0 else rng.uniform(0.7, 0.9))
        reach_x = reach_y = extent
    elif motion == "spinning":
        # 22-32 degrees between two of eight frames: below half of the smallest symmetry angle (72 degrees, the star).
        radius, extent = (
            rng.uniform(*style.spinning_radius),
            rng.choice((-1, 1)) * 8 * math.radians(rng.uniform(22.0, 32.0)),
        )
    else:
        radius, extent = rng.uniform(*style.changing_radius), rng.uniform(0.34, 0.42)
    sideways = rng.uniform(-6.0, 6.0) if motion in ("left", "right", "up", "down") else 0.0
    margin = radius * 0.9
    low_x, high_x = margin + reach_x, WIDTH - margin - reach_x
    low_y, high_y = margin + reach_y, HEIGHT - margin - reach_y
    if motion == "right":
        high_x -= extent
    elif motion == "left":
        low_x += extent
    elif motion == "down":
        high_y -= extent
    elif motion == "up":
        low_y += extent
    return Thing(
        shape=shape,
        colour=colour,
        motion=motion,
        first_frame=first_frame,
        fade_frames=rng.choice((0, 0, 3)) if first_frame else 0,
        x=rng.uniform(low_x, high_x),
        y=rng.uniform(low_y, high_y),
        radius=radius,
        extent=extent,
        turns=turns,
        sideways=sideways,
        tilt=rng.uniform(-0.2, 0.2) if motion != "circling" else rng.uniform(-math.pi / 8, math.pi / 8),
    )


def draw_backdrop(rng: random.Random, unseen: bool) -> Backdrop:
    """Draw a photograph, a crop of its training or held-out part and a slow camera path that stays in the crop."""
    photo = rng.choice(tuple(PHOTOS))
    scale = rng.uniform(*scale_range(photo))
    left, top, right, bottom = crop_bounds(photo, unseen=unseen)
    width, height = CANVAS_WIDTH * scale, CANVAS_HEIGHT * scale
    x, y = rng.uniform(left, right - width), rng.uniform(top, bottom - height)
    light = rng.uniform(0.78, 1.08)
    return Backdrop(
        photo=photo,
        box=(x, y, x + width, y + height),
        flip=rng.random() < 0.5,
        pan=(rng.uniform(-8.0, 8.0), rng.uniform(-8.0, 8.0), rng.uniform(-8.0, 8.0), rng.uniform(-8.0, 8.0)),
        zoom=(rng.uniform(0.94, 1.04), rng.uniform(0.94, 1.04)),
        roll=(rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)),
        gains=(light * rng.uniform(0.94, 1.06), light * rng.uniform(0.94, 1.06), light * rng.uniform(0.94, 1.06)),
        noise=rng.uniform(1.5, 4.0),
    )
