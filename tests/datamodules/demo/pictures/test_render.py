import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from datamodules.demo.pictures import render as render_module
from datamodules.demo.pictures.photos import PHOTOS, Photo, load_photo
from datamodules.demo.pictures.render import _TORUS_COPIES, RGB, _draw, _Painted, render, render_torus
from datamodules.demo.pictures.scenes import COLOURS, HEIGHT, SHAPES, WIDTH, Track, track
from datamodules.demo.pictures.shapes import distance
from datamodules.demo.pictures.torus import make_torus_scene, torus_track
from datamodules.demo.sets.retrieval import scene_of


def test_frames_have_the_scene_s_length_and_the_video_s_size():
    scene = scene_of("test", 0)
    frames = render(scene)
    assert frames.shape == (scene.num_frames, HEIGHT, WIDTH, 3)
    assert frames.dtype == np.uint8


def test_rendering_twice_gives_the_same_pixels():
    assert np.array_equal(render(scene_of("val", 3)), render(scene_of("val", 3)))


@pytest.mark.parametrize("index", range(8))
def test_objects_are_painted_where_their_track_says(index):
    scene = scene_of("test", index)
    empty = render(replace(scene, things=())).astype(int)
    for thing in scene.things:
        difference = np.abs(render(replace(scene, things=(thing,))).astype(int) - empty).max(axis=-1)
        path = track(thing, scene.num_frames)
        for t in range(scene.num_frames):
            rows, columns = np.nonzero(difference[t] > 60)
            if path.opacity[t] == 0:
                assert not difference[t].any()
            elif path.opacity[t] == 1 and len(rows) > 60 and _is_inside(path, t):
                # The middle of the box around an odd shape is up to a quarter radius off its centre; the hand shakes.
                assert abs((columns.min() + columns.max()) / 2 - path.x[t]) < 0.4 * path.radius[t] + 2
                assert abs((rows.min() + rows.max()) / 2 - path.y[t]) < 0.4 * path.radius[t] + 2


def _is_inside(path, t):
    reach = 1.4 * path.radius[t]
    return reach < path.x[t] < WIDTH - reach and reach < path.y[t] < HEIGHT - reach


@pytest.mark.parametrize("shift", [(64, 0), (0, 48), (64, 48), (-50, 40), (60, -45)])
def test_an_object_on_the_edge_of_a_torus_is_painted_whole(shift):
    def painted(x, y):
        pose = [np.full(1, value) for value in (x % WIDTH, y % HEIGHT, 20.0, 0.4, 1.0)]
        frames = np.full((1, HEIGHT, WIDTH, 3), 128, np.float32)
        _draw(frames, _Painted("heart", "red", Track(*pose), _TORUS_COPIES), np.zeros((1, 2)))
        return frames[0]

    whole = painted(64.3, 47.6)
    assert (whole != 128).any(axis=-1).sum() > 1000
    moved = painted(64.3 + shift[0], 47.6 + shift[1])
    assert np.allclose(moved, np.roll(whole, shift[::-1], axis=(0, 1)), atol=0.1)


def test_a_scene_on_a_torus_is_painted_where_its_track_says():
    scene = make_torus_scene("render", unseen=True, colours=("red",), motion="right")
    (thing,) = scene.things
    frames = render_torus(scene).astype(int)
    assert frames.shape == (scene.num_frames, HEIGHT, WIDTH, 3)
    assert np.array_equal(frames, render_torus(scene))
    hidden = replace(scene, things=(replace(thing, colour="black"),))
    changed = np.abs(frames - render_torus(hidden)).max(axis=-1) > 60
    path = torus_track(thing, scene.num_frames)
    for t in range(scene.num_frames):
        turn = np.exp(2j * np.pi * np.nonzero(changed[t])[1] / WIDTH).sum()
        middle = np.angle(turn) / (2 * np.pi) * WIDTH
        assert abs((middle - path.x[t] + WIDTH / 2) % WIDTH - WIDTH / 2) < 4


@pytest.mark.parametrize("index", range(5))
def test_a_video_shows_nothing_of_the_photograph_outside_its_crop(index, monkeypatch):
    scene = scene_of("train", index)
    expected = render(scene)
    pixels = np.asarray(load_photo(scene.backdrop.photo))
    left, top, right, bottom = scene.backdrop.box
    window = (slice(math.floor(top), math.ceil(bottom)), slice(math.floor(left), math.ceil(right)))
    cut = np.zeros_like(pixels)
    cut[window] = pixels[window]
    monkeypatch.setattr(render_module, "load_photo", lambda photo: Image.fromarray(cut))
    assert np.array_equal(render(scene), expected)


def test_every_photograph_is_found_in_the_installed_packages():
    assert all(load_photo(photo).size == facts.size for photo, facts in PHOTOS.items())


def test_a_missing_photograph_is_named(monkeypatch):
    monkeypatch.setitem(PHOTOS, "cat", Photo("skimage", "data/no_such_cat.png", (1, 1)))
    load_photo.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"no_such_cat\.png"):
        load_photo("cat")
    load_photo.cache_clear()


def test_all_shapes_have_a_similar_area_but_the_ring_and_cross_are_open():
    axis = np.linspace(-1.5, 1.5, 301)
    u, v = np.meshgrid(axis, axis)
    area = {shape: float((distance(shape, u, v) < 0).mean() * 9) for shape in SHAPES}
    assert all(1.7 < value < 3.3 for value in area.values()), area
    assert area["circle"] == pytest.approx(math.pi, rel=0.03)
    assert distance("ring", np.zeros(1), np.zeros(1)) > 0.3
    assert distance("circle", np.zeros(1), np.zeros(1)) == pytest.approx(-1, abs=0.02)


def test_colours_are_far_apart():
    assert set(RGB) == set(COLOURS)
    values = np.array([RGB[colour] for colour in COLOURS], float)
    apart = np.linalg.norm(values[:, None] - values[None], axis=-1)
    assert apart[~np.eye(len(values), dtype=bool)].min() > 90
