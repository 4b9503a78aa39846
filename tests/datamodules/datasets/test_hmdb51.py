import pytest

from datamodules import HMDB51
from tests.helpers.datasets import put_videos, set_up

CLASSES = ["brush_hair", "clap", "fall_floor"]
VIDEOS = {  # names hold what file systems allow
    "brush_hair": ["April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "brush (1)_brush_hair_f_nm_np1_ba_goo_1.avi"],
    "clap": ["#20_Rhythm_clap_u_nm_np1_fr_goo_0.avi", "A_[new]_&_old;_clap_u_cm_np1_fr_med_1.avi"],
    "fall_floor": ["Faith+Rewarded!_fall_floor_f_cm_np1_fr_med_2.avi", "it's_fall_floor_f_cm_np1_fr_med_3.avi"],
}
NAMES = [f"{name}/{video}" for name in CLASSES for video in VIDEOS[name]]


@pytest.fixture
def root(tmp_path):
    """The first video of a class is of the test, the second for training; in split 2 it is the other way round."""
    put_videos(tmp_path / "hmdb51_org", *NAMES)
    splits = tmp_path / "testTrainMulti_7030_splits"
    splits.mkdir()
    for name in CLASSES:
        for split, marks in ((1, "21"), (2, "12"), (3, "20")):
            lines = "".join(f"{video} {mark} \n" for video, mark in zip(VIDEOS[name], marks, strict=True))
            (splits / f"{name}_test_split{split}.txt").write_text(lines)
    return tmp_path


@pytest.mark.parametrize(("split", "tested"), [(1, 0), (2, 1), (3, 0)])
def test_the_official_files_part_the_videos_of_each_split(root, split, tested, caplog):
    data = set_up(HMDB51, root, split=split)
    assert data.records.videos == NAMES[tested::2]
    assert data.records.labels == [0, 1, 2]
    assert data.class_names == CLASSES
    folder = root.resolve() / "hmdb51_org"
    assert data.test_dataloader().dataset.paths == [folder / name for name in NAMES[tested::2]]
    assert "has 3 videos, the published test 1530" in caplog.text


def test_training_takes_the_videos_marked_one(root):
    data = set_up(HMDB51, root, "fit", batch_size=1)
    assert [path.name for path in data.train_dataloader().dataset.paths] == [VIDEOS[name][1] for name in CLASSES]
    with pytest.raises(ValueError, match="no video of split 3 is marked 1, which stands for the part train"):
        set_up(HMDB51, root, "fit", split=3)


@pytest.mark.parametrize(
    ("file", "separator", "split"),
    [
        ("hmdb51_val_split_2_videos.txt", " ", 2),
        ("annotations/hmdb51_val_split_1_videos.txt", " ", 1),
        ("test.csv", ",", 1),
    ],
)
def test_lists_of_other_projects_need_no_official_files(root, file, separator, split):
    (root / "testTrainMulti_7030_splits").rename(root / "elsewhere")
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text("".join(f"{name}{separator}{n // 2}\n" for n, name in enumerate(NAMES)))
    data = set_up(HMDB51, root, split=split)
    assert data.records.videos == NAMES
    assert data.records.labels == [0, 0, 1, 1, 2, 2]


def test_a_label_map_names_the_classes_of_a_list(root):
    (root / "label_map_hmdb51.txt").write_text("brush hair\nclap\nfall floor\n")
    (root / "mine.csv").write_text("".join(f"{name},{n // 2}\n" for n, name in enumerate(NAMES)))
    assert set_up(HMDB51, root, annotation="mine.csv").class_names == ["brush hair", "clap", "fall floor"]
    (root / "mine.csv").write_text(f"{NAMES[0]},1\n{NAMES[2]},1\n")
    with pytest.raises(ValueError, match=r"label 1 .* contradicts its class brush hair, number 1"):
        set_up(HMDB51, root, annotation="mine.csv")


def test_a_folder_of_splits_is_named_by_its_option(root):
    (root / "testTrainMulti_7030_splits").rename(root / "elsewhere")
    with pytest.raises(
        FileNotFoundError, match=r"looked for testTrainMulti_7030_splits, .*hmdb51_val_split_1_videos.txt"
    ):
        set_up(HMDB51, root)
    assert set_up(HMDB51, root, annotation="elsewhere").records.videos == NAMES[::2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.avi 3\n", r"clap_test_split1.txt, line 1: expected '<video> <0, 1 or 2>', found 'a.avi 3'"),
        ("a.avi 1\nb.avi\n", "line 2: expected"),
        ("", "clap_test_split1.txt holds no record"),
        (None, r"clap_test_split1.txt is missing, though other splits have their files"),
    ],
)
def test_damaged_split_files_are_refused(root, content, message):
    path = root / "testTrainMulti_7030_splits" / "clap_test_split1.txt"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ValueError, match=message):
        set_up(HMDB51, root)


def test_a_split_that_does_not_exist_is_refused(root):
    with pytest.raises(ValueError, match="split=0 must be 1, 2 or 3"):
        HMDB51(str(root), split=0)
