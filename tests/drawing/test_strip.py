"""Rows of pictures: where they stand, and what captions and legends add."""

import numpy as np

from vidtldr.drawing.pictures import Limits
from vidtldr.drawing.strip import Row, strip


def test_pictures_stand_in_rows_with_gaps() -> None:
    rows = [Row(np.full((3, 10, 20, 3), 10, np.uint8)), Row(np.full((2, 6, 8, 3), 200, np.uint8))]
    sheet = strip(rows)
    assert sheet.shape == (8 + 10 + 4 + 6 + 8, 8 + 3 * 20 + 2 * 4 + 8, 3)
    assert (sheet == 10).all(axis=-1).sum() == 3 * 10 * 20
    assert (sheet == 200).all(axis=-1).sum() == 2 * 6 * 8
    assert sheet[8, 8].tolist() == [10] * 3
    assert sheet[8, 8 + 20].tolist() == [255] * 3  # the gap
    assert sheet[8 + 10 + 4, 8].tolist() == [200] * 3


def test_captions_take_a_line_and_legends_the_colours() -> None:
    pictures = np.full((2, 10, 120, 3), 10, np.uint8)
    plain, captioned = strip([Row(pictures)]), strip([Row(pictures, "what it is")])
    legend = strip([Row(pictures, "what it is", Limits(0, 2.5))])
    assert captioned.shape == legend.shape
    assert captioned.shape[0] > plain.shape[0]
    assert len(np.unique(legend.reshape(-1, 3), axis=0)) > len(np.unique(captioned.reshape(-1, 3), axis=0)) + 50


def test_a_strip_for_any_page_has_no_background() -> None:
    pictures = np.full((1, 10, 120, 3), 10, np.uint8)
    sheet = strip([Row(pictures, "caption")], transparent=True)
    assert sheet.shape[-1] == 4
    assert sheet[0, 0, 3] == 0
    assert (sheet[sheet[..., 3] == 255][:, :3] == 10).all(axis=-1).sum() == 10 * 120
    written = sheet[(sheet[..., 3] > 200) & (sheet[..., 0] > 20)][:, :3]
    assert 80 < written.mean() < 170  # grey text reads on white and on black
