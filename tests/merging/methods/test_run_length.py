"""Run-length tokens on clips of which every pixel is known."""

import pytest
import torch

from tests.helpers.vits import CLIPS, image_vit, video_vit
from vidtldr.merging import Chain, RandomDrop, RunLength, ToMe, VidTLDR, apply, merging
from vidtldr.merging.clip_input import Clips
from vidtldr.merging.methods.run_length import dissimilarity


def _moving(*places: tuple[int, int], steps: int = 3) -> torch.Tensor:
    """A clip ``[1, 3, 2 * steps, 32, 32]`` of one colour, in which some tubelets (step, place of 16) differ by 0.5."""
    clip = torch.full((1, 3, 2 * steps, 32, 32), 0.25)
    for step, place in places:
        row, column = divmod(place, 4)
        clip[:, :, 2 * step + 1, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 0.5
    return clip


def test_a_tubelet_is_compared_with_the_one_before_by_hand() -> None:
    # Two tubelets a frame of 2 x 4 pixels, two frames each: last frame of the next against first frame of this.
    pixels = torch.zeros(1, 1, 6, 2, 4)
    pixels[0, 0, 0, :, :2] = 1.0  # first frame of step 0, left
    pixels[0, 0, 3, 0, 2] = 8.0  # last frame of step 1, right: one pixel of four
    pixels[0, 0, 4] = 100.0  # first frame of the last step: nothing looks at it
    expected = [[[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]]
    assert dissimilarity(Clips(pixels, (2, 2, 2))).tolist() == expected


def test_tubelets_equal_a_loop_in_the_order_of_the_tokens() -> None:
    pixels = torch.randn(2, 3, 8, 6, 9)
    found = dissimilarity(Clips(pixels, (2, 3, 3)))
    assert found.shape == (2, 4, 6)
    for clip in range(2):
        for step in range(1, 4):
            for place in range(6):
                row, column = divmod(place, 3)
                cell = (slice(3 * row, 3 * row + 3), slice(3 * column, 3 * column + 3))
                last, first = pixels[clip, :, 2 * step + 1, *cell], pixels[clip, :, 2 * step - 2, *cell]
                assert found[clip, step, place].item() == pytest.approx((last - first).abs().mean().item())


@torch.no_grad()
def test_with_tau_what_stands_still_goes_and_the_first_tubelets_stay() -> None:
    records = []
    with merging(video_vit(), RunLength(tau=0.1), observer=records.append) as model:
        model(_moving((1, 5), (2, 10)))
    first, last = records[0], records[-1]
    assert (first.layer, first.tokens.shape[1], last.tokens.shape[1]) == (-1, 18, 18)
    assert (last.owner[0] >= 0).nonzero().flatten().tolist() == [*range(16), 16 + 5, 32 + 10]
    assert first.score is None


@torch.no_grad()
def test_what_stays_keeps_its_position() -> None:
    model, x = video_vit(), _moving((1, 5), (2, 10))
    records: list = []
    with merging(model, RunLength(tau=0.1), observer=records.append):
        model(x)
    tokens = model._pos_embed(model.patch_embed(x))
    assert torch.equal(records[0].tokens, tokens[:, [*range(16), 21, 42]])


@torch.no_grad()
def test_with_keep_those_that_differ_most_stay_as_many_in_each_clip() -> None:
    records = []
    with merging(video_vit(), RunLength(keep=0.4), observer=records.append) as model:
        model(torch.randn(3, *CLIPS))
        model(torch.cat([_moving((1, 5)), _moving((2, 3), (2, 4), (1, 0), (1, 1))]))
    assert all(record.tokens.shape[1] == 20 for record in records)  # 19.2 of 48, rounded up
    for owner, moving in zip(records[-1].owner, ([21], [35, 36, 16, 17])):
        assert (owner[:16] >= 0).all()
        assert (owner[moving] >= 0).all()


@torch.no_grad()
def test_clips_that_keep_different_numbers_do_not_run_together() -> None:
    clips = torch.cat([_moving((1, 5)), _moving((1, 5), (2, 3))])
    with merging(video_vit(), RunLength(tau=0.1)) as model:
        with pytest.raises(ValueError, match="leaves out 30 to 31 tokens of the clips of a batch, which cannot run"):
            model(clips)
        assert model(clips[1:]).isfinite().all()


@torch.no_grad()
def test_a_chain_is_its_second_method_on_what_the_first_left() -> None:
    model, x, records = video_vit(), torch.randn(2, *CLIPS), []
    with merging(model, Chain([RunLength(keep=0.7), VidTLDR([9, 4])]), observer=records.append):
        model(x)
    assert [record.layer for record in records] == [-1, 0, 1, 2, 3]
    assert [record.tokens.shape[1] for record in records] == [34, 25, 21, 21, 21]
    with merging(model, VidTLDR([9, 4])):
        assert torch.equal(model.blocks(records[0].tokens), records[-1].tokens)
    dropped = records[0].owner < 0
    assert torch.equal(records[-1].owner < 0, dropped)
    assert (records[-1].share[dropped] == 0).all()


def test_images_have_no_frames_to_compare() -> None:
    model = image_vit()
    with pytest.raises(ValueError, match="run_length compares the frames of a clip, but VisionT"):
        apply(model, RunLength(keep=0.5))
    assert type(model.blocks) is torch.nn.Sequential


@torch.no_grad()
def test_a_share_below_that_of_the_first_tubelets_is_refused() -> None:
    refused = pytest.raises(ValueError, match=r"keep=0.3 is less than the first tubelets, which stay: 1/3 of the clip")
    with merging(video_vit(), RunLength(keep=0.3)) as model, refused:
        model(torch.randn(1, *CLIPS))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "run_length takes either keep, such as keep=0.6, or tau, such as tau=0.1"),
        ({"keep": 0.5, "tau": 0.1}, "run_length takes either keep"),
        ({"keep": 0.0}, "keep=0.0 is no share above 0, up to 1"),
        ({"keep": 1.5}, "keep=1.5 is no share"),
        ({"tau": -1.0}, "tau=-1.0 is no difference of pixels"),
    ],
)
def test_bad_options_are_answered_in_a_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RunLength(**options)


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        ([], "such as run_length and vidtldr, not nothing"),
        ([ToMe(3)], "not tome"),
        ([ToMe(3), RunLength(keep=0.5)], "not tome, run_length"),
        ([RunLength(keep=0.5), RunLength(keep=0.5)], "not run_length, run_length"),
        ([RunLength(keep=0.5), RandomDrop(3), ToMe(3)], "not run_length, random_drop, tome"),
        ([Chain([RunLength(keep=0.5), ToMe(3)]), VidTLDR(3)], "not chain, vidtldr"),  # of which tome would never run
        (["run_length", {"r": 3}], "chain was given 'run_length': name a method, such as {method: run_length, keep"),
        ([{"method": "run_length", "keep": 0.5}, {"method": "tome", "rate": 3}], "method 'tome' has no option 'rate'"),
    ],
)
def test_a_chain_takes_a_method_at_the_input_and_one_of_the_layers(methods: list, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Chain(methods)
