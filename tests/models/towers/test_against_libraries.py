"""Features of pairs of towers against the libraries' own models, from the folders that these write."""

import pytest
import torch
import torch.nn.functional as F

from tests.helpers.tiny_towers import CONTEXT, IMAGE_SIZE, STATISTICS, write_hugging_face, write_open_clip
from vidtldr.errors import UserError
from vidtldr.models.towers import PairPixelNorm, find_pair, load_pair

TEXTS = ["a red shape moves slowly", "a video of a person typing", "Blue"]
LIBRARIES = ("clip", "siglip", "open_clip")


def library_features(model, kind, images, tokens):
    with torch.no_grad():
        if kind == "open_clip":
            return model.encode_image(images), model.encode_text(tokens)
        found = model.get_image_features(images), model.get_text_features(tokens)
    return [each if isinstance(each, torch.Tensor) else each.pooler_output for each in found]


@pytest.fixture(params=LIBRARIES)
def written(request, tmp_path):
    kind = request.param
    model = write_open_clip(tmp_path) if kind == "open_clip" else write_hugging_face(tmp_path, kind)
    setup = find_pair("auto", str(tmp_path))
    pair = setup.build(IMAGE_SIZE).eval()
    assert load_pair(pair, setup.checkpoint) == []
    return kind, model, setup, pair


def test_features_and_logits_are_the_librarys(written):
    kind, model, setup, pair = written
    clips = torch.randn(2, 3, 3, IMAGE_SIZE, IMAGE_SIZE)
    tokens = setup.tokenizer()(TEXTS)
    assert tokens.shape == (3, CONTEXT)
    images, texts = library_features(model, kind, clips.flatten(0, 1), tokens)
    with torch.no_grad():
        torch.testing.assert_close(pair.encode_frames(clips).flatten(0, 1), images, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(pair.encode_text(tokens), F.normalize(texts, dim=-1), atol=1e-5, rtol=1e-5)
        expected = torch.stack(
            [sum(F.normalize(frame, dim=0) for frame in clip) / 3 for clip in images.unflatten(0, (2, 3))]
        )
        expected = F.normalize(expected, dim=-1)
        torch.testing.assert_close(pair.encode_video(clips), expected, atol=1e-5, rtol=1e-5)
        logits = model.logit_scale.exp() * expected @ F.normalize(texts, dim=-1).t() + (
            getattr(model, "logit_bias", None) or 0
        )
        torch.testing.assert_close(
            pair.logits(pair.encode_video(clips), pair.encode_text(tokens)), logits, atol=1e-4, rtol=1e-5
        )
    assert setup.image_size == IMAGE_SIZE


def test_pixel_statistics_are_those_beside_the_weights(written):
    norm = PairPixelNorm(written[2].statistics)
    pixels = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    expected = [(1 - m) / s for m, s in zip(STATISTICS["image_mean"], STATISTICS["image_std"])]
    torch.testing.assert_close(norm(pixels).flatten(), torch.tensor(expected))


def test_other_weights_than_the_config_tells_are_refused(written, tmp_path):
    _, _, setup, _ = written
    setup = find_pair("auto", str(tmp_path), size={"depth": 3})
    with pytest.raises(UserError, match=r"does not fit this model: .* unexpected"):
        load_pair(setup.build(IMAGE_SIZE), setup.checkpoint)


def test_positions_are_stretched_to_larger_frames(written):
    _, _, setup, _ = written
    pair = setup.build(2 * IMAGE_SIZE)
    assert load_pair(pair, setup.checkpoint) == []
    assert pair.encode_video(torch.randn(1, 2, 3, 64, 64)).shape[0] == 1
