import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict
from itertools import product

import pytest

from datamodules.demo.sets.production import ensure
from datamodules.demo.sets.recognition import CLASSES, GENERATOR_VERSION, RECOGNITION, SPLITS

NAMES = sorted(
    colour + motion
    for colour, motion in product(
        ("Red", "Green", "Blue"),
        ["MovingRight", "MovingLeft", "MovingUp", "MovingDown", "Circling", "Spinning", "Growing", "Shrinking"],
    )
)
COUNTS = {"test": 3, "val": 2, "train": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("recognition")
    ensure(RECOGNITION, root, tuple(SPLITS), num_videos=COUNTS, processes=1)
    return root


def lines(root, name):
    return (root / "ucfTrainTestlist" / name).read_text(encoding="utf-8").splitlines()


def test_sizes_of_the_splits():
    assert {name: split.num_videos for name, split in SPLITS.items()} == {"test": 240, "val": 96, "train": 2400}
    assert [name for name, split in SPLITS.items() if not split.unseen] == ["train"]


def test_class_numbers_are_alphabetical_from_1(root):
    assert lines(root, "classInd.txt") == [f"{number} {name}" for number, name in enumerate(NAMES, start=1)]


@pytest.mark.parametrize("split", ["train", "val"])
def test_lists_give_the_number_of_the_folder_s_class(root, split):
    found = [re.fullmatch(r"(\w+)/v_(\w+)_g\d\d_c\d\d\.mp4 (\d+)", line) for line in lines(root, f"{split}list01.txt")]
    assert len(found) == COUNTS[split]
    assert all(line[1] == line[2] == NAMES[int(line[3]) - 1] for line in found)


def test_the_test_list_has_no_numbers_and_starts_with_every_class(root):
    (content,) = RECOGNITION.lists("test", 30).values()
    found = [re.fullmatch(r"(\w+)/v_(\w+)_g0\d_c\d\d\.mp4", line) for line in content.splitlines()]
    assert [line[1] for line in found[: len(NAMES)]] == NAMES
    assert lines(root, "testlist01.txt") == content.splitlines()[: COUNTS["test"]]


@pytest.mark.parametrize("split", SPLITS)
def test_every_listed_video_is_in_the_folder_of_its_class(root, split):
    for line in lines(root, f"{split}list01.txt"):
        assert (root / "UCF-101" / line.split()[0]).stat().st_size > 2000


def test_a_video_shows_its_class():
    for index in range(48):
        (thing,) = RECOGNITION.scene("train", index).things
        name = RECOGNITION.label("train", index).name.lower()
        assert name.startswith(thing.colour)
        assert name.removeprefix(thing.colour).removeprefix("moving") == thing.motion


def test_the_shape_tells_nothing_of_the_class():
    shapes = {name: Counter() for name in NAMES}
    for index in range(SPLITS["train"].num_videos):
        shapes[RECOGNITION.label("train", index).name][RECOGNITION.scene("train", index).things[0].shape] += 1
    for counts in shapes.values():
        assert len(counts) == 6
        assert max(counts.values()) < 35  # of 100, where 17 are expected


def test_scenes_and_lists_of_this_version_stay_as_they_are():
    # A trained demo checkpoint depends on them: when this fails, raise GENERATOR_VERSION and store the new digest.
    scenes = [asdict(RECOGNITION.scene(split, index)) for split in SPLITS for index in range(50)]
    lists = [RECOGNITION.lists(split, 50) for split in SPLITS]
    digest = hashlib.sha256(json.dumps([scenes, lists, RECOGNITION.tables()]).encode()).hexdigest()[:16]
    assert (GENERATOR_VERSION, digest) == (1, "fd60a113b760d5dd")


def test_classes_are_as_many_as_pairs():
    assert len(set(CLASSES)) == len(NAMES) == 24
