import math
from dataclasses import replace

import numpy as np
import pytest

from datamodules.demo.pictures.scenes import HEIGHT, MOTIONS, WIDTH
from datamodules.demo.pictures.torus import (
    LARGEST_RADIUS,
    MIN_FRAMES,
    SMALLEST_RADIUS,
    TorusScene,
    Wanderer,
    make_torus_scene,
    torus_track,
)

SCENES_PER_MOTION = 200
SCENES = {
    motion: [
        make_torus_scene(f"{motion}/{index}", unseen=False, colours=("red",), motion=motion)
        for index in range(SCENES_PER_MOTION)
    ]
    for motion in MOTIONS
}
INSTANTS = (0, 19, MIN_FRAMES - 1)  # the first frame, a middle one and the last that every video has
# Kolmogorov: samples of one distribution exceed it in 1 of 10,000 comparisons; here are 96, with fixed seeds.
LARGEST_STATISTIC = 2.2


def only(scene: TorusScene) -> Wanderer:
    (thing,) = scene.things
    return thing


def poses(scenes, frame, track=torus_track):
    """What a single frame shows of each scene's object."""
    tracks = [track(only(scene), MIN_FRAMES) for scene in scenes]
    values = {name: np.array([getattr(path, name)[frame] for path in tracks]) for name in ("x", "y", "radius", "angle")}
    return {**values, "angle": values["angle"] % (2 * math.pi)}


def kolmogorov_smirnov(a, b):
    """Largest distance between two empirical distributions, in units that do not depend on their sizes."""
    points = np.concatenate([a, b])
    shares = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (a, b)]
    return np.abs(shares[0] - shares[1]).max() * math.sqrt(len(a) * len(b) / (len(a) + len(b)))


def leaks(scenes, track=torus_track):
    """By (motion, instant, quantity): how far the motion's scenes are from all others."""
    found = {}
    for instant in INSTANTS:
        values = {motion: poses(scenes[motion], instant, track) for motion in MOTIONS}
        for motion in MOTIONS:
            for quantity, mine in values[motion].items():
                others = np.concatenate([values[other][quantity] for other in MOTIONS if other != motion])
                found[motion, instant, quantity] = kolmogorov_smirnov(mine, others)
    return found


def test_no_single_frame_tells_the_motion():
    assert {case: value for case, value in leaks(SCENES).items() if value > LARGEST_STATISTIC} == {}


@pytest.mark.parametrize("instant", INSTANTS)
def test_places_sizes_and_angles_are_uniform_at_any_instant(instant):
    even = (np.arange(2000) + 0.5) / 2000
    for motion in MOTIONS:
        values = poses(SCENES[motion], instant)
        radius = SMALLEST_RADIUS + (LARGEST_RADIUS - SMALLEST_RADIUS) * even
        expected = {"x": WIDTH * even, "y": HEIGHT * even, "radius": radius, "angle": 2 * math.pi * even}
        for quantity, sample in values.items():
            assert kolmogorov_smirnov(sample, expected[quantity]) < LARGEST_STATISTIC, (motion, quantity)


def bounded_track(thing, num_frames):
    """A leak: the object is stopped by the edges instead of coming back on the other side."""
    path = torus_track(replace(thing, x=0.0, y=0.0), num_frames)
    unwrapped_x = thing.x + np.unwrap(path.x, period=WIDTH)
    unwrapped_y = thing.y + np.unwrap(path.y, period=HEIGHT)
    return replace(path, x=np.clip(unwrapped_x, 0, WIDTH), y=np.clip(unwrapped_y, 0, HEIGHT))


def changed(scenes, motion, **values):
    things = [replace(scene, things=(replace(only(scene), **values),)) for scene in scenes[motion]]
    return {**scenes, motion: things}


@pytest.mark.parametrize(
    ("leaking", "case"),
    [
        (changed(SCENES, "growing", size=0.0), ("growing", 0, "radius")),
        (changed(SCENES, "shrinking", size=0.999), ("shrinking", 0, "radius")),
        (changed(SCENES, "spinning", angle=0.0), ("spinning", 0, "angle")),
        (changed(SCENES, "circling", x=WIDTH / 2), ("circling", 0, "x")),
        (changed(SCENES, "right", x=10.0), ("right", 0, "x")),
    ],
)
def test_a_start_that_depends_on_the_motion_would_be_found(leaking, case):
    assert leaks(leaking)[case] > 1.5 * LARGEST_STATISTIC


def test_edges_that_stop_an_object_would_be_found():
    found = leaks(SCENES, bounded_track)
    last = INSTANTS[-1]
    for case in (("right", last, "x"), ("left", last, "x"), ("up", last, "y"), ("down", last, "y")):
        assert found[case] > 1.5 * LARGEST_STATISTIC


def test_scenes_of_one_seed_differ_in_the_motion_alone():
    scenes = [make_torus_scene("7/3", unseen=True, colours=("red",), motion=motion) for motion in MOTIONS]
    stay = {"velocity": (0.0, 0.0), "orbit": 0.0, "orbit_rate": 0.0, "spin_rate": 0.0, "growth_rate": 0.0}
    stopped = {
        replace(scene, things=tuple(replace(thing, motion="none", **stay) for thing in scene.things))
        for scene in scenes
    }
    assert len(stopped) == 1


def test_equal_seed_gives_an_equal_scene():
    scene = make_torus_scene("7/3", unseen=True, colours=("red",))
    assert scene == make_torus_scene("7/3", unseen=True, colours=("red",))
    assert scene != make_torus_scene("7/4", unseen=True, colours=("red",))


@pytest.mark.parametrize(
    ("motion", "axis", "sign", "period"),
    [("right", "x", 1, WIDTH), ("left", "x", -1, WIDTH), ("down", "y", 1, HEIGHT), ("up", "y", -1, HEIGHT)],
)
def test_a_direction_is_kept_at_constant_speed(motion, axis, sign, period):
    for scene in SCENES[motion]:
        path = torus_track(only(scene), 33)
        along = sign * np.unwrap(getattr(path, axis), period=period)
        assert np.ptp(np.diff(along)) < 1e-9
        assert 0.4 * period <= along[-1] - along[0] <= 0.6 * period
        assert abs(only(scene).velocity[axis == "x"]) * 32 <= 6


def test_most_of_a_circle_takes_32_frames_in_either_sense():
    rates = np.array([only(scene).orbit_rate for scene in SCENES["circling"]]) * 32 / (2 * math.pi)
    assert ((np.abs(rates) >= 0.7) & (np.abs(rates) <= 0.9)).all()
    assert 0.4 < (rates > 0).mean() < 0.6
    for scene in SCENES["circling"]:
        path = torus_track(only(scene), 33)
        across = (path.x - only(scene).x + WIDTH / 2) % WIDTH - WIDTH / 2
        down = (path.y - only(scene).y + HEIGHT / 2) % HEIGHT - HEIGHT / 2
        assert np.allclose(np.hypot(across, down), only(scene).orbit)


def test_a_spin_can_be_told_from_every_fourth_frame_in_either_sense():
    steps = np.degrees([only(scene).spin_rate for scene in SCENES["spinning"]]) * 4
    assert ((np.abs(steps) >= 22) & (np.abs(steps) <= 32)).all()  # below half of 72 degrees, the star's symmetry
    assert 0.4 < (steps > 0).mean() < 0.6


@pytest.mark.parametrize(("motion", "sign"), [("growing", 1), ("shrinking", -1)])
def test_a_size_runs_through_its_range_and_jumps_back(motion, sign):
    for scene in SCENES[motion]:
        steps = sign * np.diff(torus_track(only(scene), 33).radius)
        jumps = steps < 0
        assert 1 <= jumps.sum() <= 2
        assert np.ptp(steps[~jumps]) < 1e-9
        periods = steps[~jumps].mean() * 32 / (LARGEST_RADIUS - SMALLEST_RADIUS)
        assert 1.0 <= periods <= 1.5


def test_no_other_motion_changes_size_or_angle():
    for motion in MOTIONS:
        for scene in SCENES[motion]:
            path = torus_track(only(scene), scene.num_frames)
            assert (np.ptp(path.radius) == 0) == (motion not in ("growing", "shrinking"))
            assert (np.ptp(path.angle) == 0) == (motion != "spinning")
            assert path.opacity.min() == 1
