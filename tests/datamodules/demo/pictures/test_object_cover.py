from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.demo.pictures import render as render_module
from datamodules.demo.pictures.photos import PHOTOS
from datamodules.demo.pictures.render import object_cover, object_cover_torus, render, render_torus
from datamodules.demo.pictures.scenes import HEIGHT, SHAPES, WIDTH, Backdrop, Scene, Thing
from datamodules.demo.pictures.torus import TorusScene, Wanderer
from datamodules.demo.sets.every import SETS

BACKDROP = Backdrop(
    photo="cat",
    box=(0.0, 0.0, 160.0, 128.0),
    flip=False,
    pan=(0.0, 0.0, 0.0, 0.0),
    zoom=(1.0, 1.0),
    roll=(0.0, 0.0),
    gains=(1.0, 1.0, 1.0),
    noise=0.0,
)
THING = Thing("square", "white", "right", 0, 0, 40.0, 48.0, 20.0, 30.0, 0.0, 0.0, 0.0)
LATE = replace(THING, shape="circle", colour="red", first_frame=4, fade_frames=3, x=90.0, extent=0.0)
WANDERER = Wanderer("star", "yellow", "left", 4.0, 3.0, 0.5, 0.3, 0.0, velocity=(-2.0, 0.0))


@pytest.fixture
def in_the_dark(monkeypatch):
    """A black photograph: what is not black is object, as even a shadow is none there."""
    black = Image.new("RGB", PHOTOS["cat"].size)
    monkeypatch.setattr(render_module, "load_photo", lambda photo: black)


def scene_of(*things, num_frames=10):
    return Scene(num_frames, things, BACKDROP, "by hand")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("in_the_dark")
def test_the_pixels_that_an_object_changes_are_those_that_it_covers(shape):
    scene = scene_of(replace(THING, shape=shape, motion="spinning", extent=2.0), LATE)
    assert not render(replace(scene, things=())).any()
    _compare(render(scene), object_cover(scene))


@pytest.mark.usefixtures("in_the_dark")
def test_on_a_torus_an_object_covers_pixels_on_both_sides():
    scene = TorusScene(8, (WANDERER, replace(WANDERER, colour="blue", x=64.0, y=40.0)), BACKDROP, "by hand")
    cover = object_cover_torus(scene)
    _compare(render_torus(scene), cover)
    assert all(cover[0][corner] > 0 for corner in ((2, 2), (2, -2), (-2, 2)))


def _compare(frames, cover):
    """These objects are brighter than level 100: rounding leaves something of a tenth, and nothing of a thousandth."""
    changed = frames.max(axis=-1) > 0
    assert cover.shape == changed.shape
    assert cover.min() >= 0
    assert cover.max() <= 1
    assert not changed[cover == 0].any()
    assert changed[cover > 0.1].all()
    assert (cover[changed] > 0.001).all()


def test_a_square_covers_as_many_pixels_as_its_area():
    cover = object_cover(scene_of(replace(THING, extent=0.0)))
    assert cover.sum(axis=(1, 2)) == pytest.approx((2 * 0.88 * 20) ** 2, rel=0.01)
    rows, columns = np.nonzero(cover[0] > 0.5)
    assert abs(rows.mean() - 47.5) < 2  # the hand shakes by up to 1.2 pixels
    assert abs(columns.mean() - 39.5) < 2


def test_an_object_that_fades_in_covers_as_much_as_it_is_opaque():
    cover = object_cover(scene_of(LATE))
    assert cover.max(axis=(1, 2)) == pytest.approx([0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1])


def test_where_objects_overlap_the_cover_is_of_both_together():
    things = (THING, replace(LATE, x=50.0))
    first, second = (object_cover(scene_of(thing)) for thing in things)
    assert (first + second).max() > 1  # they overlap
    assert object_cover(scene_of(*things)) == pytest.approx(1 - (1 - first) * (1 - second), abs=1e-6)


def test_a_shadow_is_no_object():
    scene = scene_of(THING)
    beside = (np.abs(render(scene).astype(int) - render(replace(scene, things=()))).max(axis=-1) > 4) & (
        object_cover(scene) == 0
    )
    assert beside[0].sum() > 50  # darker, and not covered


@pytest.mark.parametrize("name", SETS)
def test_videos_are_the_same_as_before_cover_was_drawn(name):
    """Means of 8 x 8 pixels of three frames, stored by the version before; one rounded pixel moves one by 1/64."""
    expected = np.load(Path(__file__).parents[3] / "data" / "demo_frames.npz")[name]
    frames = SETS[name].frames("test", 1)
    frames = frames[[0, len(frames) // 2, -1]].astype(np.float32)
    means = frames.reshape(3, HEIGHT // 8, 8, WIDTH // 8, 8, 3).mean(axis=(2, 4))
    assert np.abs(means - expected).max() < 0.05
