"""From a scene to questions and their answers; every answer is a fact of the scene.

Objects of a scene differ in shape and in colour, so either names one of them alone.
"""

import random
from collections.abc import Iterator
from itertools import product

from datamodules.demo.pictures.scenes import COLOURS, MOTIONS, SHAPES, Scene, Thing

DIRECTIONS = ("left", "right", "up", "down")
NUMBERS = ("one", "two")
AT_FIRST, LATER, MOVING = "at first", "later", "moving"

COUNT = ("how many objects are there?", "how many shapes are there in the video?")
COLOUR = ("what color is the {shape}?", "what is the color of the {shape}?")
SHAPE = ("what shape is {colour}?", "what is the shape of the {colour} object?", "which shape is {colour}?")
DOING = ("what is the {colour} {shape} doing?", "what is the {shape} doing?")
DIRECTION = ("which way does the {colour} {shape} move?", "where does the {colour} {shape} go?")
ONSET = ("when does the {colour} {shape} appear?", "when does the {shape} come into view?")
LATE = ("what appears later?", "which object appears later?")


def make_questions(scene: Scene) -> list[tuple[str, str]]:
    """Ask about a scene all that it can answer.

    Args:
        scene: What to ask about.

    Returns:
        Pairs of question and answer, always the same for the same scene.
    """
    rng = random.Random(f"{scene.seed}/questions")
    asked = [(rng.choice(COUNT), NUMBERS[len(scene.things) - 1])]
    for thing in scene.things:
        for forms, answer in _facts(thing):
            asked.append((rng.choice(forms).format(colour=thing.colour, shape=thing.shape), answer))
    asked += [(rng.choice(LATE), f"{thing.colour} {thing.shape}") for thing in scene.things if thing.late]
    return asked


def answer_list() -> list[str]:
    """Every answer that a question can have, in a fixed order."""
    doing = [motion for motion in MOTIONS if motion not in DIRECTIONS]
    pairs = [" ".join(pair) for pair in product(COLOURS, SHAPES)]
    return [*NUMBERS, *COLOURS, *SHAPES, MOVING, *doing, *DIRECTIONS, AT_FIRST, LATER, *pairs]


def question_words() -> list[str]:
    """Every word of questions and answers, sorted; without punctuation, as questions are cleaned."""
    forms = (*COUNT, *COLOUR, *SHAPE, *DOING, *DIRECTION, *ONSET, *LATE)
    literal = [form.format(colour="", shape="").rstrip("?") for form in forms]
    return sorted({word for text in (*literal, *answer_list()) for word in text.split()})


def _facts(thing: Thing) -> Iterator[tuple[tuple[str, ...], str]]:
    """Forms of a question about an object, and the answer."""
    yield COLOUR, thing.colour
    yield SHAPE, thing.shape
    yield DOING, MOVING if thing.motion in DIRECTIONS else thing.motion
    if thing.motion in DIRECTIONS:
        yield DIRECTION, thing.motion
    yield ONSET, LATER if thing.late else AT_FIRST
