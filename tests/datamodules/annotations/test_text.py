import pytest

from datamodules.annotations.text import pre_text


@pytest.mark.parametrize(
    ("caption", "cleaned"),
    [
        ('It\'s a well-known "dog"!', "its a well known dog"),
        ("Spinning [something] that…", "spinning [something] that…"),
        ("Spinning that...", "spinning that"),
        ("A/B  test.", "a b test"),
        ("A man's dog -- runs/jumps, (fast)!", "a mans dog runs jumps fast"),
        ("<person> & _x_ 3 Ünïcode", "person & _x_ 3 ünïcode"),
        ("a \t\n b", "a b"),
        ("ends in a line\n", "ends in a line"),
        ("?!*#:;~", ""),
        ("", ""),
    ],
)
def test_captions_are_cleaned_as_in_the_published_evaluation(caption, cleaned):
    assert pre_text(caption) == cleaned
