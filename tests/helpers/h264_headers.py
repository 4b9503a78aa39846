"""H.264 files whose headers do not tell how far frames are reordered, as some cameras and old encoders write them."""

from collections.abc import Iterator
from pathlib import Path

import av

from tests.helpers.remuxed import remuxed

_PROFILES_WITH_CHROMA = {100, 110, 122, 244}


def without_reorder_hint(source: Path, target: Path) -> Path:
    """Copy an MP4 of libx264 and leave out the part of its header that names the number of reordered frames.

    Args:
        source: MP4 with one H.264 stream.
        target: File to write; its suffix decides the container.

    Returns:
        ``target``.
    """
    with av.open(str(source)) as read:
        configuration = bytes(read.streams.video[0].codec_context.extradata)
    return remuxed(source, target, extradata=_without_vui(configuration))


def _without_vui(configuration: bytes) -> bytes:
    """The decoder configuration (avcC) with a shorter sequence parameter set; ISO/IEC 14496-15, 5.3.3."""
    length = int.from_bytes(configuration[6:8], "big")
    parameters = _shortened(configuration[8 : 8 + length])
    return configuration[:6] + len(parameters).to_bytes(2, "big") + parameters + configuration[8 + length :]


def _shortened(parameters: bytes) -> bytes:
    """A sequence parameter set up to its VUI parameters, which it says it does not have; ITU-T H.264, 7.3.2.1.1."""
    header, payload = parameters[:1], parameters[1:].replace(b"\0\0\3", b"\0\0")
    bits = "".join(f"{byte:08b}" for byte in payload)
    kept = bits[: _place_of_vui_flag(bits)] + "0" + "1"  # no VUI; stop bit
    kept += "0" * (-len(kept) % 8)
    raw = int(kept, 2).to_bytes(len(kept) // 8, "big")
    for value in range(4):
        raw = raw.replace(bytes([0, 0, value]), bytes([0, 0, 3, value]))
    return header + raw


def _place_of_vui_flag(bits: str) -> int:
    place = 24  # profile, constraints, level

    def golomb() -> int:
        nonlocal place
        zeros = bits.index("1", place) - place
        value = int(bits[place + zeros : place + 2 * zeros + 1], 2) - 1
        place += 2 * zeros + 1
        return value

    def flags(count: int = 1) -> Iterator[bool]:
        nonlocal place
        place += count
        return (bit == "1" for bit in bits[place - count : place])

    golomb()  # id
    if int(bits[:8], 2) in _PROFILES_WITH_CHROMA:
        assert golomb() != 3, "4:4:4 is not expected"
        golomb(), golomb()  # bit depths
        assert not list(flags(2))[1], "a scaling matrix is not expected"
    golomb()  # log2 of the frame number's range
    assert golomb() == 0, "another kind of picture order count"
    golomb(), golomb()  # its range; reference frames
    flags()
    golomb(), golomb()  # width and height
    (frames_only,) = flags()
    flags(1 if frames_only else 2)
    if next(flags()):  # cropping
        for _ in range(4):
            golomb()
    return place
