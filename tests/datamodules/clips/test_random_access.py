import pytest

from datamodules.clips.random_access import PacketFacts, frame_index, is_entry

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
AVC = bytes([1, 100, 0, 30, 0xFF])  # lengths of four bytes
HEVC = bytes([1, *[0] * 20, 0xFF])


def packets(*times, entries=(0,), hidden=()):
    facts = enumerate(times)
    return [PacketFacts(time, number not in hidden, number in entries, number in entries) for number, time in facts]


def unit(*content):
    return len(content).to_bytes(4, "big") + bytes(content)


def test_frames_are_sorted_by_presentation_and_each_has_its_entry():
    index = frame_index(MP4, "h264", packets(0, 20, 10, 30, 50, 40, entries=(0, 3)))
    assert index.times == [0, 10, 20, 30, 40, 50]
    assert [index.entry_for(time) for time in index.times] == [0, 0, 0, 3, 3, 3]


def test_frames_outside_the_edit_list_are_not_counted():
    assert frame_index(MP4, "h264", packets(-20, 0, -10, 10, hidden=(0, 2))).times == [0, 10]


@pytest.mark.parametrize(
    ("container", "codec", "facts"),
    [
        ("avi", "h264", packets(0, 1, 2)),
        ("mpegts", "h264", packets(0, 1, 2)),
        (MP4, "mpeg4", packets(0, 1, 2)),
        ("matroska,webm", "vp8", packets(0, 1, 2)),
        (MP4, "h264", packets(0, None, 2)),
        (MP4, "h264", packets(0, 1, 1)),
        (MP4, "h264", packets(0, 1, 2, entries=())),
        (MP4, "hevc", packets(20, 0, 10, 30)),
        (MP4, "h264", packets(0, 30, 10, 20, entries=(0, 1, 2))),
        (MP4, "h264", packets(0, 1, hidden=(0, 1))),
        (MP4, "h264", []),
    ],
    ids=[
        "AVI stores no times", "MPEG-TS is cut anywhere", "MPEG-4 has packets without a frame", "VP8 hides frames",
        "a time is missing", "a time comes twice", "no entry", "frames before the first entry", "entries go back",
        "nothing is shown", "no packet",
    ],
)  # fmt: skip
def test_files_whose_packets_leave_a_doubt_have_no_index(container, codec, facts):
    assert frame_index(container, codec, facts) is None


@pytest.mark.parametrize(
    ("codec", "configuration", "content", "expected"),
    [
        ("h264", AVC, unit(0x09, 0xF0) + unit(0x67, 1) + unit(0x65, 0), True),  # delimiter, parameters, IDR
        ("h264", AVC, unit(0x06, 6) + unit(0x41, 0), False),  # an I-frame that is no IDR, flagged as key frame
        ("h264", AVC, unit(0x67, 1), False),  # no picture
        ("h264", b"", b"\0\0\0\1\x65", False),  # start codes instead of lengths
        ("h264", None, b"", False),
        ("hevc", HEVC, unit(0x40, 1) + unit(0x2A, 1), True),  # clean random access
        ("hevc", HEVC, unit(0x26, 1), True),  # IDR
        ("hevc", HEVC, unit(0x02, 1), False),  # trailing
        ("vp9", None, b"\x82", True),
    ],
)
def test_the_kind_of_picture_decides_where_decoding_may_begin(codec, configuration, content, expected):
    assert is_entry(codec, configuration, memoryview(content)) == expected
