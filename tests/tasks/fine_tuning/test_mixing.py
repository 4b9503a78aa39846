import pytest
import torch

from vidtldr.tasks.fine_tuning.mixing import ClipMixer

CLIPS = torch.arange(4.0).view(4, 1, 1, 1, 1).expand(4, 2, 3, 8, 8)
LABELS = torch.tensor([0, 1, 2, 2])


def test_without_mixing_clips_stay_and_labels_become_one_hot():
    clips, targets = ClipMixer(3)(CLIPS, LABELS)
    assert torch.equal(clips, CLIPS)
    assert torch.equal(targets, torch.eye(3)[LABELS])


def test_smoothing_spreads_its_share_over_all_classes():
    _, targets = ClipMixer(4, label_smoothing=0.2)(CLIPS, LABELS)
    assert targets[0].tolist() == pytest.approx([0.85, 0.05, 0.05, 0.05])


@pytest.mark.parametrize("options", [{"mixup": 0.8}, {"cutmix": 1.0}])
def test_targets_are_mixed_in_the_shares_of_the_pixels(options):
    clips, targets = ClipMixer(3, **options)(CLIPS, LABELS)
    assert clips.shape == CLIPS.shape
    # Clip 0 meets clip 3: its mean pixel tells the share of clip 3, whose class is 2.
    share = clips[0].mean().item() / 3
    assert targets[0].tolist() == pytest.approx([1 - share, 0, share], abs=1e-5)
    assert torch.equal(clips[0, 0], clips[0, 1])  # all frames of a clip are mixed alike


def test_the_input_is_not_written_to():
    clips = CLIPS.clone()
    ClipMixer(3, mixup=0.8)(clips, LABELS)
    assert torch.equal(clips, CLIPS)


def test_an_odd_batch_is_only_smoothed():
    clips, _ = ClipMixer(3, mixup=0.8)(CLIPS[:3], LABELS[:3])
    assert torch.equal(clips, CLIPS[:3])
