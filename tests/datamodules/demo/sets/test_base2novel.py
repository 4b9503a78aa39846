import hashlib
import json
import re
from dataclasses import asdict
from itertools import combinations

import pytest

from datamodules.demo.pictures.scenes import COLOURS, MOTIONS
from datamodules.demo.sets.base2novel import BASE, BASE_TO_NOVEL, GENERATOR_VERSION, NOVEL, SPLITS, class_name
from datamodules.demo.sets.production import ensure

COUNTS = {"test": 4, "val": 2, "train": 2}
HALVES = {"base": BASE, "novel": NOVEL}
LISTS = {"fs_base_s1_train.txt": "base", "base_dev.txt": "base", "base_val.txt": "base", "novel_val.txt": "novel"}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    root = tmp_path_factory.mktemp("base2novel")
    ensure(BASE_TO_NOVEL, root, tuple(SPLITS), num_videos=COUNTS, processes=1)
    return root / "ucf_splits"


def test_sizes_of_the_lists():
    sizes = {}
    for split, facts in SPLITS.items():
        for path, content in BASE_TO_NOVEL.lists(split, facts.num_videos).items():
            sizes[path.rpartition("/")[2]] = len(content.splitlines())
    expected = {
        "fs_base_s1_train.txt": 18 * 90,
        "base_dev.txt": 18 * 4,
        "base_val.txt": 18 * 8,
        "novel_val.txt": 18 * 8,
    }
    assert sizes == expected


def test_the_halves_share_every_word_and_no_class():
    words = {half: {word for label in labels for word in class_name(label).split()} for half, labels in HALVES.items()}
    assert words["base"] == words["novel"] == {*COLOURS, "and"}
    assert len(set(BASE)) == len(set(NOVEL)) == 18
    assert not {frozenset(label.colours) for label in BASE} & {frozenset(label.colours) for label in NOVEL}


def test_the_halves_are_all_pairs_of_colours_and_each_colour_is_as_frequent():
    pairs = {frozenset(label.colours) for label in (*BASE, *NOVEL)}
    assert pairs == {frozenset(pair) for pair in combinations(COLOURS, 2)}
    for labels in HALVES.values():
        assert {sum(colour in label.colours for label in labels) for colour in COLOURS} == {4}


@pytest.mark.parametrize("half", HALVES)
def test_label_tables_are_written_as_the_published_ones(splits, half):
    content = (splits / "labels" / f"demo_{half}_labels.csv").read_bytes().decode("ascii")
    rows = content.split("\r\n")
    assert rows[0] == "id,name"
    assert rows[-1] == ""
    assert "\n" not in "".join(rows)
    assert rows[1:-1] == [f"{number},{class_name(label)}" for number, label in enumerate(HALVES[half])]


@pytest.mark.parametrize(("name", "half"), LISTS.items())
def test_lists_count_each_half_from_0_and_name_files_that_are_there(splits, name, half):
    lines = (splits / name).read_text(encoding="utf-8").splitlines()
    assert lines
    for line in lines:
        video, first, second, label = re.fullmatch(r"(v_(\w+)And(\w+)_g\d\d_c\d\d\.mp4) (\d+)", line).groups()
        assert class_name(HALVES[half][int(label)]) == f"{first} and {second}".lower()
        assert (splits.parent / "videos" / video).stat().st_size > 2000


def test_training_never_sees_a_novel_pair():
    novel = {frozenset(label.colours) for label in NOVEL}
    for split in ("train", "val"):
        for index in range(SPLITS[split].num_videos):
            label = BASE_TO_NOVEL.label(split, index)
            assert frozenset(label.colours) not in novel


def test_a_video_shows_the_colours_of_its_class_in_any_motion():
    scenes = [BASE_TO_NOVEL.scene("test", index) for index in range(144)]
    labels = [BASE_TO_NOVEL.label("test", index) for index in range(144)]
    assert [tuple(thing.colour for thing in scene.things) for scene in scenes] == [label.colours for label in labels]
    assert {thing.motion for scene in scenes for thing in scene.things} == set(MOTIONS)


def test_scenes_and_lists_of_this_version_stay_as_they_are():
    # A trained demo checkpoint depends on them: when this fails, raise GENERATOR_VERSION and store the new digest.
    scenes = [asdict(BASE_TO_NOVEL.scene(split, index)) for split in SPLITS for index in range(50)]
    lists = [BASE_TO_NOVEL.lists(split, 150) for split in SPLITS]
    digest = hashlib.sha256(json.dumps([scenes, lists, BASE_TO_NOVEL.tables()]).encode()).hexdigest()[:16]
    assert (GENERATOR_VERSION, digest) == (1, "5a634b07e7cd41c1")
