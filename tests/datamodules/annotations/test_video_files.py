import os

import pytest

from datamodules.annotations.video_files import VideoFiles, strip_suffix


def put(root, *names, size=2000):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def found(root, name, **options):
    path = VideoFiles(root, **options).find(name)
    return path and os.path.relpath(path, os.path.realpath(root))


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.mp4", "a"), ("a.b.AVI", "a.b"), ("a.b", "a.b"), ("x.mov.mp4", "x.mov"), ("1.02.03-04", "1.02.03-04")],
)
def test_only_the_last_suffix_and_only_that_of_a_video_is_dropped(name, stem):
    assert strip_suffix(name) == stem


@pytest.mark.parametrize(
    ("on_disk", "asked"),
    [
        ("sub/a.mp4", "sub/a.mp4"),
        ("sub/a.webm", "sub/a.mp4"),
        ("a.avi", "a"),
        ("deep/er/a.mp4", "a.mp4"),
        ("a.mp4", "other/folder/a.mp4"),
        ("deep/er/a.mkv", "other/a.avi"),
        ("HandStandPushups_g01.avi", "HandstandPushups_g01.avi"),
        ("a.MP4", "a.mp4"),
        ("a.b c.d.mp4", "a.b c.d.avi"),
        ("-_x-1_2.mp4", "-_x-1_2.avi"),
    ],
)
def test_renamed_nested_and_transcoded_files_are_found(tmp_path, on_disk, asked):
    put(tmp_path, on_disk, "unrelated.mp4")
    assert found(tmp_path, asked) == on_disk


@pytest.mark.parametrize(
    ("on_disk", "asked", "expected"),
    [
        (["a.mp4", "sub/a.mp4"], "a.mp4", "a.mp4"),
        (["a.mp4", "a.avi"], "a.avi", "a.avi"),
        (["one/a.webm", "two/a.mp4"], "one/a.avi", "one/a.webm"),
        (["one/a.webm", "two/a.mp4"], "a.mp4", "two/a.mp4"),
        (["A.mp4", "a.mp4"], "A.mp4", "A.mp4"),
    ],
)
def test_the_stricter_match_wins(tmp_path, on_disk, asked, expected):
    put(tmp_path, *on_disk)
    assert found(tmp_path, asked) == expected


@pytest.mark.parametrize(
    ("on_disk", "asked"),
    [(["one/a.mp4", "two/a.mp4"], "a.mp4"), (["a.mkv", "a.webm"], "a.mp4"), (["Ab.mp4", "aB.mp4"], "AB.mp4")],
)
def test_an_ambiguous_name_lists_its_candidates(tmp_path, on_disk, asked):
    put(tmp_path, *on_disk)
    with pytest.raises(ValueError, match="could be any of 2 files") as caught:
        VideoFiles(tmp_path).find(asked)
    assert all(name in str(caught.value) for name in on_disk)


def test_absent_and_tiny_files_and_hidden_copies_are_missing(tmp_path):
    put(tmp_path, "stub.mp4", size=1023)
    put(tmp_path, "._copied.mp4", "notes.txt")
    files = VideoFiles(tmp_path)
    assert [files.find(name) for name in ("stub.mp4", "copied.mp4", "absent.mp4", "notes")] == [None] * 4
    assert files.num_files == 0


def test_a_stub_gives_way_to_a_whole_file(tmp_path):
    put(tmp_path, "a.mp4", size=10)
    put(tmp_path, "good/a.mp4")
    assert found(tmp_path, "a.mp4") == "good/a.mp4"


def test_aliases_are_tried_after_the_name_itself(tmp_path):
    put(tmp_path, "7.mp4")
    aliases = {"video7": ["7"]}
    assert found(tmp_path, "video7.mp4", aliases=lambda stem: aliases.get(stem, ())) == "7.mp4"
    put(tmp_path, "video7.webm")
    assert found(tmp_path, "video7.mp4", aliases=lambda stem: aliases.get(stem, ())) == "video7.webm"


def test_aliases_that_disagree_are_ambiguous(tmp_path):
    put(tmp_path, "vid1.avi", "video0.avi")
    with pytest.raises(ValueError, match=r"vid1\.avi, video0\.avi"):
        VideoFiles(tmp_path, aliases=lambda stem: ["vid1", "video0"]).find("clip")


@pytest.mark.parametrize(
    "name", ["../secret.mp4", "a/../../secret.mp4", "../../etc/passwd", "/etc/passwd", "..", "", "a\0b"]
)
def test_a_name_that_leads_out_of_the_root_is_refused(tmp_path, name):
    put(tmp_path, "secret.mp4", "root/a/b.mp4")
    with pytest.raises(ValueError, match=r"outside the data root|is no file name") as caught:
        VideoFiles(tmp_path / "root").find(name)
    assert repr(name) in str(caught.value)


def test_an_absolute_name_outside_is_refused_though_the_file_exists(tmp_path):
    put(tmp_path, "secret.mp4", "root/a.mp4")
    with pytest.raises(ValueError, match="outside the data root"):
        VideoFiles(tmp_path / "root").find(str(tmp_path / "secret.mp4"))


def test_a_root_is_not_confused_with_a_folder_whose_name_it_begins(tmp_path):
    put(tmp_path, "root/a.mp4", "root2/b.mp4")
    with pytest.raises(ValueError, match="outside the data root"):
        VideoFiles(tmp_path / "root").find("../root2/b.mp4")


def test_links_out_of_the_root_are_refused(tmp_path):
    put(tmp_path, "outside/secret.mp4", "root/a.mp4")
    (tmp_path / "root" / "link.mp4").symlink_to(tmp_path / "outside" / "secret.mp4")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "outside")
    files = VideoFiles(tmp_path / "root")
    for name in ("link.mp4", "link.avi", "folder/secret.mp4"):
        with pytest.raises(ValueError, match=f"'{name}' is a link that leads outside the data root"):
            files.find(name)
    assert files.find("secret.mp4") is None


def test_absolute_names_and_links_within_the_root_are_welcome(tmp_path):
    put(tmp_path, "store/a.mp4", "videos/b.mp4")
    (tmp_path / "videos" / "link.mp4").symlink_to(tmp_path / "store" / "a.mp4")
    files = VideoFiles(tmp_path / "videos", root=tmp_path)
    assert files.find(str(tmp_path / "videos" / "b.mp4")).name == "b.mp4"
    assert files.find(str(tmp_path / "store" / "a.mp4")).name == "a.mp4"
    assert files.find("link.mp4").name == "link.mp4"


def test_a_video_folder_that_is_itself_a_link_is_the_users_choice(tmp_path):
    put(tmp_path, "big_disk/a.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "videos").symlink_to(tmp_path / "big_disk")
    files = VideoFiles(tmp_path / "root" / "videos", root=tmp_path / "root")
    assert files.find("a.mp4").name == "a.mp4"
    assert files.find(str(tmp_path / "root" / "videos" / "a.mp4")).name == "a.mp4"


@pytest.mark.parametrize(
    ("on_disk", "expected"),
    [
        (["a.webm", "a.avi"], "a.avi"),
        (["one/a.mov", "two/a.mp4"], "two/a.mp4"),
        (["a.b.mov", "a.mov"], "a.mov"),
    ],
)
def test_where_suffixes_are_copies_the_first_in_the_order_of_suffixes_is_taken(tmp_path, on_disk, expected):
    put(tmp_path, *on_disk)
    assert found(tmp_path, "a.mkv", suffixes_are_copies=True) == expected


def test_where_suffixes_are_copies_different_stems_stay_ambiguous(tmp_path):
    put(tmp_path, "Ab.mp4", "aB.mp4")
    with pytest.raises(ValueError, match="could be any of 2 files"):
        VideoFiles(tmp_path, suffixes_are_copies=True).find("AB.mp4")


def test_a_file_that_lost_its_suffix_is_found_in_a_folder_below(tmp_path):
    put(tmp_path, "deep/a.")
    assert found(tmp_path, "a.") == "deep/a."


@pytest.mark.parametrize("prefix", ["/home/them/data/UCF-101/", "D:\\data\\UCF-101\\", "\\\\server\\share\\", "d:/x/"])
@pytest.mark.parametrize(
    ("on_disk", "asked", "expected"),
    [
        (["B/v.avi", "C/v.avi"], "B/v.avi", "B/v.avi"),
        (["UCF-101/B/v.avi", "other/v.avi"], "B/v.avi", "UCF-101/B/v.avi"),
        (["v.avi", "old/B/v.avi"], "B/v.avi", "old/B/v.avi"),
        (["B/v.avi", "old/B/v.avi"], "B/v.avi", "B/v.avi"),
        (["B/v.mp4", "C/v.avi"], "B/v.avi", "B/v.mp4"),
        (["B/v.mp4", "B/v.avi"], "B/v.avi", "B/v.avi"),
        (["B/V.avi", "B/v.avi"], "B/v.avi", "B/v.avi"),
        (["handstand/V.AVI"], "HandStand/v.avi", "handstand/V.AVI"),
        (["flat.webm"], "B/flat", "flat.webm"),
    ],
)
def test_a_path_of_another_machine_is_found_by_its_longest_end(tmp_path, prefix, on_disk, asked, expected):
    put(tmp_path, *on_disk, "unrelated.mp4")
    asked = prefix + (asked.replace("/", "\\") if "\\" in prefix else asked)
    assert VideoFiles(tmp_path).is_foreign(asked)
    assert found(tmp_path, asked) == expected


@pytest.mark.parametrize(
    ("on_disk", "asked"),
    [
        (["one/B/v.avi", "two/B/v.avi"], "/home/them/B/v.avi"),
        (["one/v.avi", "two/v.avi"], r"D:\data\B\v.avi"),
        (["B/v.mkv", "B/v.webm"], "/home/them/B/v.avi"),
    ],
)
def test_an_ambiguous_path_of_another_machine_lists_its_candidates(tmp_path, on_disk, asked):
    put(tmp_path, *on_disk)
    with pytest.raises(ValueError, match="could be any of 2 files") as caught:
        VideoFiles(tmp_path).find(asked)
    assert all(name in str(caught.value) for name in on_disk)


def test_a_path_of_another_machine_that_matches_nothing_is_missing(tmp_path):
    put(tmp_path, "B/v.avi")
    assert [VideoFiles(tmp_path).find(name) for name in ("/home/them/B/w.avi", r"D:\B\w.avi")] == [None, None]


def test_a_path_of_another_machine_knows_aliases_copies_and_linked_folders(tmp_path):
    put(tmp_path, "7.mp4", "7.avi", "store/B/v.avi")
    aliases = {"video7": ["7"]}
    options = {"aliases": lambda stem: aliases.get(stem, ()), "suffixes_are_copies": True}
    assert found(tmp_path, r"D:\all\video7.mp4", **options) == "7.mp4"
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "B").symlink_to(tmp_path / "store" / "B")
    assert VideoFiles(tmp_path / "videos", tmp_path).find("/home/them/B/v.avi") == tmp_path / "videos" / "B" / "v.avi"
    with pytest.raises(ValueError, match="is a link that leads outside the data root"):
        VideoFiles(tmp_path / "videos").find("/home/them/B/v.avi")


@pytest.mark.parametrize(
    "name", ["/home/them/../B/v.avi", r"D:\data\..\B\v.avi", r"..\B\v.avi", r"x\..\..\secret.mp4", "D:\\", r"\..\v.avi"]
)
def test_what_climbs_is_refused_whatever_its_separators(tmp_path, name):
    put(tmp_path, "secret.mp4", "root/B/v.avi")
    with pytest.raises(ValueError, match="outside the data root") as caught:
        VideoFiles(tmp_path / "root").find(name)
    assert repr(name) in str(caught.value)


def test_a_file_of_this_machine_outside_the_root_is_refused_though_its_end_is_inside(tmp_path):
    put(tmp_path, "elsewhere/B/v.avi", "root/B/v.avi")
    with pytest.raises(ValueError, match="outside the data root"):
        VideoFiles(tmp_path / "root").find(str(tmp_path / "elsewhere" / "B" / "v.avi"))


@pytest.mark.parametrize("asked", [r"sub\a.mp4", r"sub\a.webm", r"other\folder\a.mp4", r"sub\a"])
def test_windows_separators_are_separators(tmp_path, asked):
    put(tmp_path, "sub/a.mp4")
    assert found(tmp_path, asked) == "sub/a.mp4"


@pytest.mark.parametrize("asked", ["odd\\a.mp4", "odd\\a.avi"])
def test_a_file_whose_name_holds_a_backslash_is_found_by_it(tmp_path, asked):
    put(tmp_path, "sub/odd\\a.mp4", "odd/b.mp4", "a.mp4")
    assert found(tmp_path, asked) == "sub/odd\\a.mp4"
