"""The size that a Matroska or WebM file tells of itself: its demuxer takes a cut file for a shorter one."""

from pathlib import Path

_HEADER_BYTES = 4096
_SEGMENT = bytes.fromhex("18538067")  # the element that holds everything behind the header; RFC 9559, 5.1


def matroska_end(path: Path) -> int | None:
    """Where the file should end, in bytes; None if it does not tell, as one written to a pipe."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    place = header.find(_SEGMENT) + len(_SEGMENT)
    if place < len(_SEGMENT) or place >= len(header) or not header[place]:
        return None
    length = 9 - header[place].bit_length()  # a variable-size integer: zeros before the first one tell its bytes
    value = int.from_bytes(header[place : place + length], "big") - (1 << 7 * length)
    return None if value == (1 << 7 * length) - 1 else place + length + value
