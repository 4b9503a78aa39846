"""Options that a task or a data set takes from its bases: what help says of them, and that they are saved."""

import pytest
from jsonargparse import ArgumentParser

import datamodules
import vidtldr.tasks
from tests.helpers import tiny_classes
from vidtldr.tasks import ActionRecognition

CLASSES = [f"{package.__name__}.{name}" for package in (datamodules, vidtldr.tasks) for name in package.__all__]
SAID = {"num_frames": "Frames of a clip.", "image_size": "Height and width of a frame in pixels."}


@pytest.mark.parametrize("path", CLASSES)
def test_each_option_has_a_text_and_those_of_clips_the_same_everywhere(path):
    package, _, name = path.rpartition(".")
    parser = ArgumentParser()
    parser.add_class_arguments(getattr(datamodules if package == "datamodules" else vidtldr.tasks, name), "of")
    said = {action.dest.removeprefix("of."): action.help for action in parser._actions if "of." in action.dest}
    assert len(said) > 6
    assert [option for option, text in said.items() if not text or text == "==SUPPRESS=="] == []
    assert {option: said[option] for option in SAID} == SAID


def test_all_options_are_saved_with_a_checkpoint():
    sizes = {"num_frames": tiny_classes.NUM_FRAMES, "image_size": tiny_classes.IMAGE_SIZE}
    task = ActionRecognition(size=tiny_classes.VIDEOMAE_SIZE, num_classes=3, warmup_steps=7, **sizes)
    saved = {"num_classes": 3, "warmup_steps": 7, "learning_rate": 1e-3, "mixup": 0.0, **sizes}
    assert {key: task.hparams[key] for key in saved} == saved
    assert task.clip_shape == (tiny_classes.NUM_FRAMES, 3, tiny_classes.IMAGE_SIZE, tiny_classes.IMAGE_SIZE)
