"""What was written is read again by other code; a golden picture."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from vidtldr.drawing.files import write_gif, write_mp4, write_npz, write_png
from vidtldr.drawing.pictures import merge_map
from vidtldr.drawing.strip import Row, strip
from vidtldr.errors import UserError

GOLDEN = Path(__file__).parents[1] / "data" / "merge_map.png"


def _moving(count: int = 5, height: int = 33, width: int = 47) -> np.ndarray:
    """A soft blob that moves over a slope; odd sizes."""
    row, column = np.mgrid[:height, :width]
    frames = [
        np.stack([row * 4, column * 4, 200 * np.exp(-((row - 16) ** 2 + (column - 8 * at) ** 2) / 60)], axis=-1)
        for at in range(count)
    ]
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def test_a_video_decodes_to_the_same_frames(tmp_path: Path) -> None:
    frames = _moving()
    write_mp4(tmp_path / "clip.mp4", frames, fps=2.5)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (48, 34)  # even, or browsers refuse it
        assert float(stream.average_rate) == 2.5
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])
    assert len(decoded) == len(frames)
    error = np.abs(decoded[:, :33, :47].astype(int) - frames)
    assert error.mean() < 3  # of 255: rounding, and colours that 2 x 2 pixels share
    apart = np.abs(decoded[:, :33, :47].astype(int) - np.roll(frames, 1, axis=0))
    assert error.mean() < apart.mean() / 3  # frames in their order


def test_an_animation_has_all_frames_and_their_time(tmp_path: Path) -> None:
    frames = _moving()
    write_gif(tmp_path / "clip.gif", frames, fps=4)
    with Image.open(tmp_path / "clip.gif") as image:
        assert image.n_frames == len(frames)
        assert image.info["duration"] == 250
        assert image.info["loop"] == 0
        for position, frame in enumerate(frames):
            image.seek(position)
            assert np.abs(np.asarray(image.convert("RGB")).astype(int) - frame).mean() < 6


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays = {"owner": np.arange(6).reshape(1, 2, 3), "share": np.full((1, 2, 3), 0.5, np.float32)}
    write_npz(tmp_path / "clip.npz", arrays)
    with np.load(tmp_path / "clip.npz") as read:
        assert set(read.files) == set(arrays)
        assert all(np.array_equal(read[name], array) for name, array in arrays.items())


def test_a_palette_makes_a_picture_smaller_and_keeps_it_close(tmp_path: Path) -> None:
    picture = np.concatenate(list(_moving(height=60, width=90)), axis=1)
    grain = np.random.default_rng(0).integers(0, 8, picture.shape, np.uint8)
    picture = np.clip(picture, 0, 247) + grain  # as camera pictures have
    write_png(tmp_path / "full.png", picture)
    write_png(tmp_path / "small.png", picture, colours=128)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "full.png")), picture)
    small = np.asarray(Image.open(tmp_path / "small.png").convert("RGB")).astype(int)
    assert np.abs(small - picture).mean() < 8
    assert (tmp_path / "small.png").stat().st_size < (tmp_path / "full.png").stat().st_size


def test_a_palette_keeps_what_is_clear_and_what_is_opaque(tmp_path: Path) -> None:
    sheet = strip([Row(_moving(height=60, width=90), "caption")], transparent=True)
    write_png(tmp_path / "small.png", sheet, colours=256)
    read = np.asarray(Image.open(tmp_path / "small.png").convert("RGBA")).astype(int)
    assert np.abs(read[..., 3] - sheet[..., 3]).max() <= 255 / 15 / 2 + 1
    assert np.array_equal(read[..., 3] == 255, sheet[..., 3] >= 247)
    seen = sheet[..., 3] > 0
    assert np.abs(read[seen] - sheet[seen])[:, :3].mean() < 4


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*nowhere"):
        write_mp4(tmp_path / "nowhere" / "clip.mp4", _moving(), fps=2)


def test_the_merge_map_is_the_golden_picture() -> None:
    """Drawn by NumPy and Pillow, without text: no font and no other library moves a pixel.

    After a change that is meant: ``Image.fromarray(golden_strip()).save(GOLDEN)``.
    """
    assert np.array_equal(np.asarray(Image.open(GOLDEN)), golden_strip())


def golden_strip() -> np.ndarray:
    frames = _moving(3, 48, 64)
    owner = np.array(
        [
            [[0, 0, 1, 2], [3, 0, 1, 4], [5, 6, 6, 7]],
            [[0, 1, 1, 2], [3, 8, 1, 4], [5, -1, -1, 7]],
            [[0, 1, 9, 2], [3, 8, 9, 9], [5, -1, 10, 7]],
        ]
    )
    share = np.where(owner == 7, 0.0, np.where(owner == 0, 0.5, 1.0))
    return strip([Row(frames), Row(merge_map(frames, owner)), Row(merge_map(frames, owner, share))])
