import math

import numpy as np
import pytest

from datamodules.demo.pictures.photos import PHOTOS
from datamodules.demo.pictures.scenes import HEIGHT, MAX_FRAMES, MIN_FRAMES, WIDTH, make_scene, track
from datamodules.demo.sets.retrieval import SPLITS, scene_of

SCENES = [scene_of(split, index) for split in SPLITS for index in range(150)]
THINGS = [(scene, thing) for scene in SCENES for thing in scene.things]


def middle_frames(num_frames, wanted):
    """Frames that retrieval evaluation looks at: the middle of each of ``wanted`` equal parts."""
    edges = np.linspace(0, num_frames, wanted + 1).astype(int)
    return (edges[:-1] + edges[1:] - 1) // 2


def test_equal_seed_gives_an_equal_scene():
    assert make_scene("7/3", unseen=True) == make_scene("7/3", unseen=True)


def test_videos_and_splits_differ_from_each_other():
    assert len({str(scene.things) for scene in SCENES}) == len(SCENES)


def test_unseen_changes_the_background_only():
    seen, unseen = make_scene("7/3", unseen=False), make_scene("7/3", unseen=True)
    assert seen.things == unseen.things
    assert seen.backdrop.box != unseen.backdrop.box


def test_lengths_vary_within_their_bounds():
    lengths = {scene.num_frames for scene in SCENES}
    assert min(lengths) >= MIN_FRAMES
    assert max(lengths) <= MAX_FRAMES
    assert len(lengths) > 15


def test_three_quarters_of_the_videos_have_two_objects_and_a_third_a_late_one():
    assert 0.7 < np.mean([len(scene.things) == 2 for scene in SCENES]) < 0.82
    assert 0.25 < np.mean([any(t.late for t in scene.things) for scene in SCENES]) < 0.42
    assert all(sum(t.late for t in scene.things) <= 1 for scene in SCENES)


def test_two_objects_differ_in_shape_and_colour():
    pairs = [scene.things for scene in SCENES if len(scene.things) == 2]
    assert pairs
    assert all(a.shape != b.shape and a.colour != b.colour for a, b in pairs)


def test_round_shapes_never_spin():
    assert not [t for _, t in THINGS if t.shape in ("circle", "ring") and t.motion == "spinning"]


def test_late_objects_are_visible_in_at_least_three_of_eight_frames():
    late = [(scene, thing) for scene, thing in THINGS if thing.late]
    assert late
    for scene, thing in late:
        opacity = track(thing, scene.num_frames).opacity
        assert (opacity[middle_frames(scene.num_frames, 8)] > 0.5).sum() >= 3
        assert opacity[0] == 0
        assert 0.28 * scene.num_frames < thing.first_frame < 0.6 * scene.num_frames


def test_objects_that_are_not_late_are_there_from_the_first_frame():
    assert all(track(t, scene.num_frames).opacity.min() == 1 for scene, t in THINGS if not t.late)


@pytest.mark.parametrize(
    ("motion", "axis", "sign", "size"),
    [("right", "x", 1, WIDTH), ("left", "x", -1, WIDTH), ("down", "y", 1, HEIGHT), ("up", "y", -1, HEIGHT)],
)
def test_a_direction_is_kept_over_much_of_the_frame(motion, axis, sign, size):
    chosen = [(scene, thing) for scene, thing in THINGS if thing.motion == motion]
    assert chosen
    for scene, thing in chosen:
        path = track(thing, scene.num_frames)
        along = sign * getattr(path, axis)[thing.first_frame :]
        across = getattr(path, "y" if axis == "x" else "x")
        assert (np.diff(along) > 0).all()
        assert 0.39 * size < along[-1] - along[0] < 0.71 * size
        assert np.ptp(across) < 0.2 * np.ptp(along)


def test_a_circling_object_goes_round_most_of_a_circle():
    for scene, thing in THINGS:
        if thing.motion == "circling":
            path = track(thing, scene.num_frames)
            assert np.allclose(np.hypot(path.x - thing.x, path.y - thing.y), thing.extent)
            assert 0.65 < abs(thing.turns) < 1.35


def test_a_spin_can_be_told_from_eight_frames():
    symmetry = {"square": 90, "cross": 90, "star": 72, "triangle": 120, "diamond": 180, "heart": 360}
    for scene, thing in THINGS:
        if thing.motion == "spinning":
            angle = np.degrees(track(thing, scene.num_frames).angle)
            steps = np.abs(np.diff(angle[middle_frames(scene.num_frames, 8)]))
            assert steps.min() > 15
            assert steps.max() < 0.55 * symmetry[thing.shape]


def test_growing_and_shrinking_change_the_size_more_than_twofold():
    for scene, thing in THINGS:
        radius = track(thing, scene.num_frames).radius[thing.first_frame :]
        if thing.motion == "growing":
            assert radius[-1] > 2 * radius[0]
        elif thing.motion == "shrinking":
            assert radius[0] > 2 * radius[-1]
        else:
            assert np.ptp(radius) == 0


def test_objects_stay_mostly_inside_and_rarely_overlap():
    overlaps = 0
    for scene in SCENES:
        paths = [track(thing, scene.num_frames) for thing in scene.things]
        for path in paths:
            assert path.x.min() > 0
            assert path.x.max() < WIDTH
            assert path.y.min() > 0
            assert path.y.max() < HEIGHT
        if len(paths) == 2:
            a, b = paths
            both = (a.opacity > 0) & (b.opacity > 0)
            overlaps += (np.hypot(a.x - b.x, a.y - b.y) < a.radius + b.radius)[both].any()
    assert overlaps < 0.02 * len(SCENES)


def test_backgrounds_of_train_and_of_test_share_no_pixel():
    for photo, facts in PHOTOS.items():
        boxes = {
            unseen: [s.backdrop.box for s in SCENES if s.backdrop.photo == photo and (s.seed[:4] != "2003") == unseen]
            for unseen in (True, False)
        }
        assert boxes[True]
        assert boxes[False]
        assert math.ceil(max(box[2] for box in boxes[False])) < math.floor(min(box[0] for box in boxes[True]))
        for left, top, right, bottom in boxes[True] + boxes[False]:
            assert 0 <= left < right <= facts.size[0]
            assert 0 <= top < bottom <= facts.size[1]
