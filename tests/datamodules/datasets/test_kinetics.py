import logging
import shutil
from itertools import product
from string import ascii_lowercase

import pytest

from datamodules import Kinetics400, Kinetics600, Kinetics700
from datamodules.clips.sampling import dense_views
from tests.helpers.datasets import put_videos, set_up
from tests.helpers.video import frame_numbers

CLASSES = ["abseiling", "answering questions", "skiing (not slalom or crosscountry)", "zumba"]
CLIPS = {  # by class; ids may begin with a dash
    "abseiling": "0347ZoDXyP0_000095_000105",
    "answering questions": "-3B32lodo2M_000059_000069",
    "skiing (not slalom or crosscountry)": "_yL3V9TbB6k_000000_000010",
}
NAMES = [f"{name}/{clip}" for name, clip in CLIPS.items()]
TABLE = """label,youtube_id,time_start,time_end,split,is_cc
abseiling,0347ZoDXyP0,95,105,{0},0
"answering questions",-3B32lodo2M,59,69,{0},0
skiing (not slalom or crosscountry),_yL3V9TbB6k,0,10,{0},1
"""
LENGTH = 90


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinetics")
    put_videos(folder, *(f"{name}.mp4" for name in NAMES), num_frames=LENGTH)
    return folder


@pytest.fixture
def root(tmp_path, videos):
    """Class folders of validation videos and the class names."""
    shutil.copytree(videos, tmp_path / "videos_val")
    (tmp_path / "kinetics_label_map_k400.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    return tmp_path


def found(data):
    return [path.relative_to(data.root.resolve()).as_posix() for path in data.test_dataloader().dataset.paths]


def in_folders(folder="videos_val"):
    return [f"{folder}/{name}.mp4" for name in NAMES]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("kinetics400_val_list_videos.txt", "".join(f"{name}.mp4 {n}\n" for n, name in enumerate(NAMES))),
        ("val.csv", "".join(f"/theirs/val/{name}.mp4 {n}\r\n" for n, name in enumerate(NAMES))),
        ("test.csv", "".join(f"{name.rpartition('/')[2]}.mp4,{n}\n" for n, name in enumerate(NAMES))),
        ("annotations/val.csv", TABLE.format("validate")),
        ("annotations/validate.csv", TABLE.format("val")),
        (
            "annotations/kinetics400_val.csv",
            TABLE.format("val").replace(",is_cc", "").replace(",0\n", "\n").replace(",1\n", "\n"),
        ),
        ("val.csv", "".join(f"{name.replace(' ', '_')}.mkv {n}\n" for n, name in enumerate(NAMES))),
    ],
)
def test_a_list_in_each_form_gives_the_same_videos_and_classes(root, file, content):
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(content)
    data = set_up(Kinetics400, root)
    assert found(data) == in_folders()
    assert data.records.labels == [0, 1, 2]
    assert data.class_names == CLASSES
    assert data.num_classes == 4


@pytest.mark.parametrize("folder", ["val", "videos_val", "videos/val"])
def test_class_folders_need_no_list(root, folder):
    shutil.copytree(root / "videos_val", root / "kept")
    shutil.rmtree(root / "videos_val")
    (root / folder).parent.mkdir(exist_ok=True)
    shutil.move(root / "kept", root / folder)
    (root / folder / "zumba").mkdir()  # no video of this class came through
    data = set_up(Kinetics400, root)
    assert sorted(found(data)) == sorted(in_folders(folder))
    assert dict(zip(data.records.videos, data.records.labels, strict=True)) == {
        f"{folder.rpartition('/')[2]}/{name}.mp4": label for label, name in enumerate(NAMES)
    }


def test_validation_and_training_folders_lie_side_by_side(root, videos):
    shutil.copytree(videos / "abseiling", root / "videos_train" / "zumba")
    (root / "videos_train" / "zumba" / f"{CLIPS['abseiling']}.mp4").rename(
        root / "videos_train" / "zumba" / "other.mp4"
    )
    assert found(set_up(Kinetics400, root)) == sorted(in_folders())
    training = set_up(Kinetics400, root, "fit", batch_size=1).train_dataloader().dataset
    assert [path.name for path in training.paths] == ["other.mp4"]
    assert training.labels == [3]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_flat_folder_and_any_suffix_will_do_and_seconds_need_no_zeros(root, suffix):
    flat = root / "videos"
    flat.mkdir()
    for name, clip in zip(NAMES, ("0347ZoDXyP0_95_105", "-3B32lodo2M_000059_000069", "_yL3V9TbB6k_0_10"), strict=True):
        shutil.move(root / "videos_val" / f"{name}.mp4", flat / f"{clip}{suffix}")
    (root / "val.csv").write_text(TABLE.format("validate"))
    assert found(set_up(Kinetics400, root))[0] == f"videos/0347ZoDXyP0_95_105{suffix}"


def test_a_whole_video_is_not_taken_for_a_clip_and_missing_ones_are_counted(root, caplog):
    path = root / "videos_val" / f"{NAMES[0]}.mp4"
    path.rename(path.with_name("0347ZoDXyP0.mp4"))
    (root / "val.csv").write_text(TABLE.format("validate"))
    with pytest.raises(
        FileNotFoundError, match=r"1 of 3 videos have no file .*: abseiling/0347ZoDXyP0_000095_000105; miss"
    ):
        set_up(Kinetics400, root)
    data = set_up(Kinetics400, root, missing="skip")
    assert (data.coverage.total, data.coverage.missing) == (3, [NAMES[0]])
    assert data.records.labels == [1, 2]


def test_a_table_of_all_parts_is_parted(root):
    rows = TABLE.format("validate").replace("105,validate", "105,train").replace("10,validate", "10,test")
    (root / "val.csv").write_text(rows)
    assert set_up(Kinetics400, root).records.videos == [NAMES[1]]
    data = set_up(Kinetics400, root, "fit", batch_size=1, train_annotation="val.csv")
    assert data.train_dataloader().dataset.labels == [0]


@pytest.mark.parametrize(("dataset", "number"), [(Kinetics400, 400), (Kinetics600, 600), (Kinetics700, 700)])
def test_the_alphabet_numbers_the_classes_only_if_all_are_there(root, dataset, number, caplog):
    (root / "kinetics_label_map_k400.txt").unlink()
    others = ["".join(letters) for letters in product(ascii_lowercase, repeat=2)] + [f"zz {n:03}" for n in range(100)]
    rows = "".join(f"{name},aaaaaaaaaaa,0,10,validate,0\n" for name in others[: number - 3])
    (root / "val.csv").write_text(TABLE.format("validate") + rows)
    data = set_up(dataset, root, missing="skip", limit=3)
    assert data.num_classes == number
    assert data.class_names == sorted([*CLASSES[:3], *others[: number - 3]])
    assert [data.class_names[label] for label in data.records.labels] == CLASSES[:3]
    (root / "val.csv").write_text(TABLE.format("validate"))
    wanted = rf"names 3 classes of {number}, .* kinetics_label_map_k{number}.txt or .* must lie beside it"
    with pytest.raises(FileNotFoundError, match=wanted):
        set_up(dataset, root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("label,youtube", "name,youtube", "has no labels: the test part of Kinetics is published without them"),
        ("abseiling,", "Abseilin,", "class 'Abseilin' is none of the 4 classes of .*k400.txt"),
        ("0347ZoDXyP0", "#NAME?", "line 2: expected a class, the id of a YouTube video and two whole seconds, found"),
        (",95,", ",nan,", "line 2: expected a class"),
        (",1\n", "\n", "line 4: expected the 6 columns of its header, found 5"),
        ("time_end", "end", "its header has no column 'time_end'"),
    ],
)
def test_a_damaged_table_is_refused_by_line(root, old, new, message):
    (root / "val.csv").write_text(TABLE.format("validate").replace(old, new))
    with pytest.raises(ValueError, match=message):
        set_up(Kinetics400, root)


def test_a_list_whose_numbers_contradict_the_class_folders_is_refused(root):
    (root / "val.csv").write_text(f"{NAMES[0]}.mp4 0\n{NAMES[1]}.mp4 2\n{NAMES[2]}.mp4 2\n")
    with pytest.raises(ValueError, match=r"label 2 of '.* contradicts its class answering questions, number 2"):
        set_up(Kinetics400, root)


@pytest.mark.parametrize(
    ("content", "message"), [("", "found none"), ("a\nb\nA\n", "a name twice"), ('a\n"b\n', "class 2: .*open quote")]
)
def test_a_damaged_label_map_is_refused(root, content, message):
    (root / "kinetics_label_map_k400.txt").write_text(content)
    with pytest.raises(ValueError, match=message):
        set_up(Kinetics400, root)


def test_the_published_protocol_is_the_default(root, caplog):
    caplog.set_level(logging.INFO)
    data = set_up(Kinetics400, root, num_frames=16, limit=1, batch_size=1)
    assert (data.num_views, data.stride) == (15, 4)
    (batch,) = data.test_dataloader()
    assert [frame_numbers(clip) for clip in batch.clips] == [v for v in dense_views(LENGTH, 16, 4, 5) for _ in range(3)]
    assert "read as class folders, 3 videos of 3 of 4 classes" in caplog.text
