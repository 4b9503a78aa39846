"""Objects that move over a torus: what leaves the frame on one side comes back on the other.

No single frame tells the motion: where the object starts, how large it is and how it is turned are drawn without regard
to the motion, and the motion keeps these distributions as they are. A shift or an orbit around a uniform place is
uniform again on a torus, as is a turn of a uniform angle, and a size that runs through its range from a uniform place
in it and jumps back at the end is as uniform as one that stays.
"""

import math
import random
from dataclasses import dataclass, replace

import numpy as np

from datamodules.demo.pictures.scenes import HEIGHT, MOTIONS, SHAPES, WIDTH, Backdrop, Track, draw_backdrop

MIN_FRAMES, MAX_FRAMES = 40, 56
SMALLEST_RADIUS, LARGEST_RADIUS = 15.0, 30.0  # pixels; a patch of the small models is 12 or 16 wide

_FRAMES_OF_A_CLIP = 32  # 8 frames, every fourth: what a model looks at
SPINNING_SHAPES = tuple(shape for shape in SHAPES if shape not in ("circle", "ring"))
"""Shapes whose spin can be seen."""

_DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True)
class Wanderer:
    """An object and its motion; of the rates (per frame), only those of its motion differ from 0.

    Attributes:
        shape: One of ``SHAPES``.
        colour: One of ``COLOURS``.
        motion: One of ``MOTIONS``.
        x: Horizontal position in the first frame, pixels; of the orbit's centre when circling.
        y: Vertical position likewise.
        size: Place in the range from the smallest to the largest radius in the first frame, 0..1.
        angle: Angle in the first frame, radians.
        phase: Place on the orbit in the first frame, radians.
        velocity: Rightwards and downwards, pixels.
        orbit: Radius of the orbit, pixels; 0 unless circling.
        orbit_rate: Radians along the orbit.
        spin_rate: Radians around itself.
        growth_rate: Ranges of the size, negative when shrinking.
    """

    shape: str
    colour: str
    motion: str
    x: float
    y: float
    size: float
    angle: float
    phase: float
    velocity: tuple[float, float] = (0.0, 0.0)
    orbit: float = 0.0
    orbit_rate: float = 0.0
    spin_rate: float = 0.0
    growth_rate: float = 0.0


@dataclass(frozen=True)
class TorusScene:
    """Content of one video; a later thing covers an earlier one where they meet."""

    num_frames: int
    things: tuple[Wanderer, ...]
    backdrop: Backdrop
    seed: str


def make_torus_scene(seed: str, *, unseen: bool, colours: tuple[str, ...], motion: str | None = None) -> TorusScene:
    """Draw one scene.

    Args:
        seed: Any text; equal text gives an equal scene on every machine.
        unseen: Whether the background comes from the part of the photographs kept for validation and test.
        colours: Colour of each object.
        motion: Motion of every object; drawn if not given.

    Returns:
        The scene. Scenes of one seed differ in nothing but what is asked for here.
    """
    rng = random.Random(f"{seed}/torus")
    num_frames = rng.randint(MIN_FRAMES, MAX_FRAMES)
    backdrop = draw_backdrop(rng, unseen)
    things = []
    for colour in colours:
        shape, drawn_motion = rng.choice(SPINNING_SHAPES), rng.choice(MOTIONS)
        things.append(_draw_wanderer(rng, shape, colour, motion or drawn_motion))
    return TorusScene(num_frames, tuple(things), backdrop, seed)


def torus_track(thing: Wanderer, num_frames: int) -> Track:
    """Compute where ``thing`` is in each of ``num_frames`` frames; positions are wrapped into the frame."""
    frame = np.arange(num_frames, dtype=np.float64)
    place = thing.phase + thing.orbit_rate * frame
    x = thing.x + thing.velocity[0] * frame + thing.orbit * np.cos(place)
    y = thing.y + thing.velocity[1] * frame + thing.orbit * np.sin(place)
    size = (thing.size + thing.growth_rate * frame) % 1.0
    radius = SMALLEST_RADIUS + (LARGEST_RADIUS - SMALLEST_RADIUS) * size
    return Track(x % WIDTH, y % HEIGHT, radius, thing.angle + thing.spin_rate * frame, np.ones(num_frames))


def _draw_wanderer(rng: random.Random, shape: str, colour: str, motion: str) -> Wanderer:
    """Draw what does not depend on the motion first, then the rates of the motion."""
    still = Wanderer(
        shape=shape,
        colour=colour,
        motion=motion,
        x=rng.uniform(0.0, WIDTH),
        y=rng.uniform(0.0, HEIGHT),
        size=rng.random(),
        angle=rng.uniform(-math.pi, math.pi),
        phase=rng.uniform(-math.pi, math.pi),
    )
    sense = rng.choice((-1, 1))
    if motion in _DIRECTIONS:
        across, down = _DIRECTIONS[motion]
        share = rng.uniform(0.4, 0.6) / _FRAMES_OF_A_CLIP
        sideways = rng.uniform(-6.0, 6.0) / _FRAMES_OF_A_CLIP
        velocity = (share * WIDTH * across + sideways * abs(down), share * HEIGHT * down + sideways * abs(across))
        return replace(still, velocity=velocity)
    if motion == "circling":
        rate = sense * 2 * math.pi * rng.uniform(0.7, 0.9) / _FRAMES_OF_A_CLIP
        return replace(still, orbit=rng.uniform(17.0, 26.0), orbit_rate=rate)
    if motion == "spinning":
        # Below half of the smallest symmetry angle (72 degrees, the star) from one of the model's frames to the next.
        return replace(still, spin_rate=sense * math.radians(rng.uniform(22.0, 32.0)) / 4)
    growth = rng.uniform(1.0, 1.5) / _FRAMES_OF_A_CLIP
    return replace(still, growth_rate=growth if motion == "growing" else -growth)
