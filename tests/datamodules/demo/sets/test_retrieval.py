import itertools
import json

import av
import pytest

from datamodules.demo import SPLITS, ensure
from datamodules.demo.__main__ import main
from datamodules.demo.sets import production
from datamodules.demo.sets import retrieval as generate
from datamodules.demo.sets.every import SETS
from datamodules.demo.sets.retrieval import GENERATOR_VERSION, is_complete, scene_of, video_name
from datamodules.demo.words.captions import make_captions

COUNTS = {"test": 3, "val": 1, "train": 2}


def files_of(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("[!.]*")) if path.is_file()}


def times_of(root):
    return {path.name: path.stat().st_mtime_ns for path in root.rglob("*.mp4")}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "new" / "demo"
    ensure(root, tuple(SPLITS), num_videos=COUNTS, processes=1)
    return root


def test_the_default_splits_are_large_enough_for_a_fair_test():
    assert SPLITS["test"].num_videos >= 200
    assert SPLITS["train"].num_videos >= 6000
    assert len({split.seed for split in SPLITS.values()}) == len(SPLITS)
    assert [name for name, split in SPLITS.items() if not split.unseen] == ["train"]


@pytest.mark.parametrize("split", SPLITS)
def test_annotations_are_written_as_those_of_msvd(demo, split):
    records = json.loads((demo / f"msvd_ret_{split}.json").read_text(encoding="utf-8"))
    assert [record["video"] for record in records] == [
        f"demo_{split}_{index:04d}.mp4" for index in range(COUNTS[split])
    ]
    for index, record in enumerate(records):
        scene = scene_of(split, index)
        assert set(record) == {"video", "caption", "duration"}
        assert record["caption"] == make_captions(scene, SPLITS[split].num_captions)
        assert record["duration"] == pytest.approx(scene.num_frames / 25)
        assert (demo / "YouTubeClips" / record["video"]).is_file()


@pytest.mark.parametrize(("split", "index"), [(split, index) for split in COUNTS for index in range(COUNTS[split])])
def test_videos_are_h264_with_the_scene_s_frames_and_dense_key_frames(demo, split, index):
    path = demo / "YouTubeClips" / video_name(split, index)
    assert 2_000 < path.stat().st_size < 60_000
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height, stream.average_rate) == (128, 96, 25)
        assert frames[0].format.name == "yuv420p"
        assert len(frames) == stream.frames == scene_of(split, index).num_frames
        key_frames = [number for number, frame in enumerate(frames) if frame.key_frame]
    assert key_frames[0] == 0
    assert max(b - a for a, b in itertools.pairwise(key_frames)) <= 12


def test_nothing_temporary_is_left(demo):
    assert not list(demo.rglob("*.part"))


def test_the_manifest_tells_version_seed_and_counts(demo):
    manifest = json.loads((demo / "demo.json").read_text(encoding="utf-8"))
    assert set(manifest) == set(SPLITS)
    assert manifest["test"] == {
        "generator_version": GENERATOR_VERSION,
        "seed": 2001,
        "videos": 3,
        "captions_per_video": 5,
    }


def test_a_complete_set_is_not_touched_again(demo, capsys):
    before = times_of(demo)
    ensure(demo, tuple(SPLITS), num_videos=COUNTS)
    assert times_of(demo) == before
    assert capsys.readouterr().err == ""


def test_two_processes_write_the_same_files_as_one(demo, tmp_path):
    ensure(tmp_path, ("test",), num_videos=COUNTS, processes=2)
    expected = {name: content for name, content in files_of(demo).items() if "test" in name}
    actual = files_of(tmp_path)
    assert {name: content for name, content in actual.items() if name != "demo.json"} == expected


def test_an_interrupted_run_has_no_annotation_and_is_continued(demo, tmp_path, monkeypatch):
    real = generate.write_video

    def interrupted(path, scene):
        if path.name == video_name("test", 2):
            raise KeyboardInterrupt
        real(path, scene)

    monkeypatch.setattr(generate, "write_video", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path, ("test",), num_videos=COUNTS)
    assert not (tmp_path / "msvd_ret_test.json").exists()
    assert not is_complete(tmp_path, "test", 3)
    before = times_of(tmp_path)
    assert len(before) == 2

    monkeypatch.setattr(generate, "write_video", real)
    ensure(tmp_path, ("test",), num_videos=COUNTS)
    assert before.items() <= times_of(tmp_path).items()
    assert (tmp_path / "msvd_ret_test.json").read_bytes() == (demo / "msvd_ret_test.json").read_bytes()


def test_a_video_that_breaks_while_it_is_written_leaves_no_file(tmp_path, monkeypatch):
    def broken(scene):
        raise RuntimeError("stopped in the middle")

    monkeypatch.setattr(generate, "render", broken)
    with pytest.raises(RuntimeError, match="stopped"):
        ensure(tmp_path, ("val",), num_videos=COUNTS)
    assert not list((tmp_path / "YouTubeClips").iterdir())


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_a_lost_or_cut_video_is_made_again(tmp_path, damage):
    ensure(tmp_path, ("test",), num_videos=COUNTS)
    before = files_of(tmp_path)
    victim = tmp_path / "YouTubeClips" / video_name("test", 1)
    if damage == "lost":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:100])
    ensure(tmp_path, ("test",), num_videos=COUNTS)
    assert files_of(tmp_path) == before


def test_another_version_of_the_generator_makes_every_video_again(tmp_path, monkeypatch):
    ensure(tmp_path, ("test",), num_videos=COUNTS)
    before = times_of(tmp_path)
    monkeypatch.setattr(generate.RetrievalSet, "version", 99)
    ensure(tmp_path, ("test",), num_videos=COUNTS)
    after = times_of(tmp_path)
    assert all(after[name] > before[name] for name in before)
    assert json.loads((tmp_path / "demo.json").read_text())["test"]["generator_version"] == 99


def test_a_larger_set_keeps_the_videos_of_a_smaller_one(tmp_path):
    ensure(tmp_path, ("test",), num_videos={"test": 1})
    before = times_of(tmp_path)
    ensure(tmp_path, ("test",), num_videos={"test": 2})
    assert before.items() <= times_of(tmp_path).items()
    assert len(json.loads((tmp_path / "msvd_ret_test.json").read_text())) == 2


def test_a_folder_that_cannot_be_written_is_named_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"cannot write the demo data into .*file.demo: .*"):
        ensure(tmp_path / "file" / "demo", ("test",), num_videos=COUNTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"splits": ("tests",)}, "unknown demo split 'tests'; the splits are test, val, train"),
        ({"num_videos": {"test": 0}}, "needs at least 1 video, not 0"),
        ({"processes": 0}, "at least 1 process, not 0"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        ensure(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_the_command_line_makes_videos_vocabulary_and_contact_sheet(tmp_path, capsys):
    sheet, words = tmp_path / "sheet.png", tmp_path / "vocab.txt"
    arguments = ["--root", str(tmp_path / "demo"), "--splits", "val", "--val", "2", "--vocabulary", str(words)]
    assert main([*arguments, "--contact-sheet", str(sheet), "--rows", "1"]) == 0
    assert is_complete(tmp_path / "demo", "val", 2)
    assert sheet.stat().st_size > 10_000
    assert words.is_file()
    progress = capsys.readouterr().err.splitlines()
    assert len(progress) == 1
    assert progress[0].startswith("generating 2 demo videos (val) into ")


def test_the_command_line_reports_a_mistake_in_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["--root", str(tmp_path / "file" / "demo")]) == 2
    assert capsys.readouterr().err.startswith("error: cannot write the demo data into ")


@pytest.mark.parametrize("name", ["recognition", "base2novel"])
def test_the_command_line_makes_the_other_sets(tmp_path, name):
    sheet = tmp_path / "sheet.png"
    arguments = ["--set", name, "--root", str(tmp_path / "demo"), "--splits", "val", "--val", "1"]
    assert main([*arguments, "--contact-sheet", str(sheet), "--rows", "1"]) == 0
    assert production.is_complete(SETS[name], tmp_path / "demo", "val", 1)
    assert sheet.stat().st_size > 10_000


def test_a_set_without_words_has_no_vocabulary(tmp_path, capsys):
    assert main(["--set", "recognition", "--vocabulary", str(tmp_path / "vocab.txt")]) == 2
    assert capsys.readouterr().err.startswith("error: the set recognition has no words")
    assert main(["--set", "base2novel", "--vocabulary", str(tmp_path / "vocab.txt")]) == 0
    assert "photo" in (tmp_path / "vocab.txt").read_text().splitlines()
