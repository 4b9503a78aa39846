"""From a scene to sentences, as several people might describe the same video.

A sentence is a template filled with noun phrases and verb phrases. Everything said is a fact of the scene; people leave
things out (a colour, a motion, the second object), so some sentences do as well.
"""

import random

from datamodules.demo.pictures.photos import PHOTOS
from datamodules.demo.pictures.scenes import Scene, Thing
from datamodules.demo.words.grammar import (
    BOTH,
    COLOUR_WORDS,
    MORE_PLACES,
    MOTION_WORDS,
    NOUN_PHRASES,
    ONE,
    ONE_LATE,
    ONE_LATE_ALONE,
    ONE_STILL,
    SHAPE_WORDS,
    SOLE_NOUN_PHRASES,
    THING_WORDS,
    TRIM_PHRASES,
    TWO,
    TWO_LATE,
    TWO_STILL,
    VERBS,
)

_PLACE_SHARE = 0.85  # of the captions of a video whose photograph has a name for its place
_LATE_SAID_SHARE = 0.75
_TRIM_SAID_SHARE = 0.95
_TRIES = 50


def make_captions(scene: Scene, count: int) -> list[str]:
    """Describe a scene ``count`` times, in lowercase words without punctuation.

    Args:
        scene: What to describe.
        count: Number of sentences, >= 1. They differ from each other.

    Returns:
        The sentences, always the same for the same scene; the first of ``count + 1`` are those of ``count``.
    """
    rng = random.Random(f"{scene.seed}/captions")
    captions: list[str] = []
    for _ in range(count):
        sentence = _sentence(rng, scene)
        for _ in range(_TRIES):
            if sentence not in captions:
                break
            sentence = _sentence(rng, scene)
        captions.append(sentence)
    return captions


def _sentence(rng: random.Random, scene: Scene) -> str:
    """Describe a scene once, with or without its place."""
    sentence = _describe_one(rng, scene.things[0], sole=True) if len(scene.things) == 1 else _describe_two(rng, scene)
    photo = scene.backdrop.photo
    places = PHOTOS[photo].places or MORE_PLACES.get(photo, ())
    if places and rng.random() < _PLACE_SHARE:
        place = rng.choice(places)
        place_first = rng.random() < 0.3 and not sentence.startswith(("a video", "a clip", "two objects", "at first"))
        sentence = f"{place} {sentence}" if place_first else f"{sentence} {place}"
    return sentence


def _describe_one(rng: random.Random, thing: Thing, *, sole: bool) -> str:
    """Describe one object; ``sole`` says that the video has no other."""
    omitted = rng.choice(("colour", "shape", "motion")) if sole and rng.random() < 0.10 else None
    if omitted == "motion":
        template = rng.choice(ONE_STILL)
    elif thing.late and rng.random() < _LATE_SAID_SHARE:
        template = rng.choice(ONE_LATE + ONE_LATE_ALONE if sole else ONE_LATE)
    else:
        template = rng.choice(ONE)
    return _fill(rng, template, a=thing, omitted={"a": omitted}, sole=sole)


def _describe_two(rng: random.Random, scene: Scene) -> str:
    """Describe a video of two objects: mostly both, sometimes one of them alone."""
    a, b = rng.sample(scene.things, 2)
    if rng.random() < 0.07:
        return _describe_one(rng, a, sole=False)
    omitted: dict[str, str | None] = {}
    if rng.random() < 0.14:
        omitted[rng.choice("ab")] = rng.choice(("colour", "shape"))
    late = [thing for thing in scene.things if thing.late]
    if late and rng.random() < _LATE_SAID_SHARE:
        b = late[0]
        a = next(thing for thing in scene.things if thing is not b)
        template = rng.choice(TWO_LATE)
    elif rng.random() < 0.06:
        template = rng.choice(TWO_STILL)
    elif a.motion == b.motion and rng.random() < 0.5:
        template = rng.choice(BOTH)
    else:
        template = rng.choice(TWO)
    return _fill(rng, template, a=a, b=b, omitted=omitted)


def _fill(
    rng: random.Random,
    template: str,
    *,
    a: Thing,
    b: Thing | None = None,
    omitted: dict[str, str | None],
    sole: bool = False,
) -> str:
    """Put noun phrases for ``{a}``, ``{b}`` and verb phrases for ``{a_third}``, ``{a_gerund}``, … into a template."""
    words = {}
    for name, thing in (("a", a), ("b", b)):
        if thing is None:
            continue
        words[name] = _noun_phrase(rng, thing, omitted.get(name), sole)
        for index, form in enumerate(("base", "third", "gerund")):
            words[f"{name}_{form}"] = _verb_phrase(rng, thing.motion, index)
    return template.format(**words)


def _noun_phrase(rng: random.Random, thing: Thing, omitted: str | None, sole: bool) -> str:
    """Name an object, such as ``an orange star`` or ``a star in orange``; ``omitted`` is an attribute to leave out."""
    colour = rng.choice(COLOUR_WORDS[thing.colour])
    shape = rng.choice(THING_WORDS if omitted == "shape" else SHAPE_WORDS[thing.shape])
    if omitted == "colour":
        return _with_article(shape)
    weights = [weight for _, weight in NOUN_PHRASES]
    template = rng.choices([text for text, _ in NOUN_PHRASES], weights)[0]
    if sole and rng.random() < 0.08:
        template = rng.choice(SOLE_NOUN_PHRASES)
    phrase = template.format(colour=colour, shape=shape)
    if thing.trim is not None and rng.random() < _TRIM_SAID_SHARE:
        phrase = _with_trim(rng, phrase, thing.trim)
    return phrase if phrase.startswith("the ") else _with_article(phrase)


def _with_trim(rng: random.Random, phrase: str, trim: str) -> str:
    weights = [weight for _, weight in TRIM_PHRASES]
    words = rng.choice([word for word in COLOUR_WORDS[trim] if " " not in word])  # "a bright red border" is too much
    template = rng.choices([text for text, _ in TRIM_PHRASES], weights)[0].replace("a {trim}", _with_article(words))
    return template.format(phrase=phrase, trim=words)


def _with_article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def _verb_phrase(rng: random.Random, motion: str, form: int) -> str:
    """Say a motion; ``form`` is 0 for ``move left``, 1 for ``moves left``, 2 for ``moving left``."""
    verbs, adverbs = rng.choice(MOTION_WORDS[motion])
    verb, adverb = VERBS[rng.choice(verbs)][form], rng.choice(adverbs)
    return f"{verb} {adverb}".strip()
