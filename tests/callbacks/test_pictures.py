"""Where the tokens of clips end, as a Trainer's prediction tells it."""

import numpy as np
import pytest
import torch
from lightning import Callback, Trainer
from timm.models import VisionTransformer

from callbacks import TokenMergeCallback
from callbacks.pictures import TraceCallback, _EncoderAlone, follow_clips
from vidtldr.measuring.clip_grid import encoder_input
from vidtldr.merging import Attentiveness, Base, LayerRecord, Method, ToMe, merging
from vidtldr.models.umt import UMTVisionEncoder
from vidtldr.models.vifi_clip import CLIPVisionEncoder

SIZES = {"width": 32, "depth": 3, "num_heads": 2}
CLIPS = torch.randint(0, 256, (3, 4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=["frames together", "frames alone"])
def encoder(request: pytest.FixtureRequest) -> VisionTransformer:
    torch.manual_seed(0)
    if request.param == "frames together":
        return UMTVisionEncoder(num_frames=4, image_size=32, **SIZES)
    return CLIPVisionEncoder(image_size=32, patch_size=8, joint_dim=16, **SIZES)


def make_trainer(callbacks: list[Callback]) -> Trainer:
    return Trainer(
        accelerator="cpu",
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.mark.parametrize("method", [Base(), ToMe([3, 2]), Attentiveness([4])], ids=lambda method: method.name)
def test_each_clip_is_followed_as_if_the_encoder_were_asked_itself(encoder: VisionTransformer, method: Method) -> None:
    found = follow_clips(encoder, list(CLIPS), method, make_trainer)
    assert len(found) == len(CLIPS)
    for clip, trace in zip(CLIPS, found, strict=True):
        seen: list[LayerRecord] = []
        with merging(encoder.eval(), method, observer=seen.append), torch.no_grad():
            encoder(encoder_input(encoder, clip.unsqueeze(0)))
        images, num_tokens, _ = seen[-1].tokens.shape
        assert trace.num_tokens == images * num_tokens
        share = seen[-1].share[:, encoder.num_prefix_tokens :].reshape(trace.share.shape)
        assert np.array_equal(trace.share, share.numpy())
        owner = seen[-1].owner[:, encoder.num_prefix_tokens :].reshape(images, -1)
        for image, patches in enumerate(np.split(trace.owner.reshape(-1), images)):
            expected = np.where(owner[image] < 0, -1, owner[image] + image * num_tokens)
            assert np.array_equal(patches, expected)
        assert trace.reduced == (method.name != "base")


def test_the_encoder_is_left_as_it_was(encoder: VisionTransformer) -> None:
    follow_clips(encoder, [CLIPS[0]], ToMe(2), make_trainer)
    assert type(encoder.blocks) is torch.nn.Sequential


def test_without_the_observer_it_is_said_what_is_missing(encoder: VisionTransformer) -> None:
    trainer = make_trainer([TokenMergeCallback(ToMe(2)), TraceCallback(num_frames=4)])
    with pytest.raises(RuntimeError, match="give the TokenMergeCallback this one's observe"):
        trainer.predict(_EncoderAlone(encoder), torch.utils.data.DataLoader([CLIPS[0]]), return_predictions=False)
