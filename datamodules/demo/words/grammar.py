"""The words and sentence forms of the demo captions, as plain tables.

Slots of a template: ``{a}`` and ``{b}`` are objects with their article, ``{a_third}`` is ``spins``, ``{a_gerund}``
``spinning`` and ``{a_base}`` ``spin``. Lists are drawn from evenly: what stands there twice is twice as
likely.
"""

import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datamodules.demo.pictures.photos import PHOTOS

COLOUR_WORDS = {
    "red": ("red", "red", "bright red"),
    "orange": ("orange",),
    "yellow": ("yellow", "yellow", "bright yellow"),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink", "pink", "light pink"),
    "white": ("white",),
    "black": ("black",),
}

SHAPE_WORDS = {
    "circle": ("circle", "circle", "disc", "ball", "dot", "round shape"),
    "square": ("square", "square", "square", "box", "block"),
    "triangle": ("triangle", "triangle", "triangle", "triangular shape"),
    "star": ("star", "star", "star", "star shape", "five pointed star"),
    "ring": ("ring", "ring", "ring", "hoop", "circle with a hole"),
    "cross": ("cross", "cross", "plus sign", "plus"),
    "heart": ("heart", "heart", "heart", "heart shape"),
    "diamond": ("diamond", "diamond", "diamond", "rhombus"),
}

TRIM_PHRASES = (  # with their weights; after a noun phrase
    ("{phrase} with a {trim} border", 30),
    ("{phrase} with a {trim} edge", 20),
    ("{phrase} with a {trim} rim", 20),
    ("{phrase} bordered in {trim}", 15),
    ("{phrase} edged in {trim}", 15),
)

MORE_PLACES = {  # as ``Photo.places``, but said in captions of objects with borders alone
    "tissue": ("on a tissue sample", "under a microscope"),
    "retina": ("over an eye scan", "in front of an eye"),
}

THING_WORDS = ("object", "shape", "thing", "figure")  # when a person does not say which shape

NOUN_PHRASES = (  # with their weights; the article is put before all but "the"
    ("{colour} {shape}", 80),
    ("the {colour} {shape}", 6),
    ("{colour} colored {shape}", 4),
    ("{shape} in {colour}", 5),
    ("{shape} that is {colour}", 2),
)
SOLE_NOUN_PHRASES = ("single {colour} {shape}", "lone {colour} {shape}")  # only where there is one object

VERBS = {  # base, third person, gerund
    "move": ("move", "moves", "moving"),
    "slide": ("slide", "slides", "sliding"),
    "glide": ("glide", "glides", "gliding"),
    "drift": ("drift", "drifts", "drifting"),
    "travel": ("travel", "travels", "traveling"),
    "float": ("float", "floats", "floating"),
    "fly": ("fly", "flies", "flying"),
    "go": ("go", "goes", "going"),
    "rise": ("rise", "rises", "rising"),
    "climb": ("climb", "climbs", "climbing"),
    "ascend": ("ascend", "ascends", "ascending"),
    "fall": ("fall", "falls", "falling"),
    "sink": ("sink", "sinks", "sinking"),
    "drop": ("drop", "drops", "dropping"),
    "descend": ("descend", "descends", "descending"),
    "circle": ("circle", "circles", "circling"),
    "loop": ("loop", "loops", "looping"),
    "spin": ("spin", "spins", "spinning"),
    "rotate": ("rotate", "rotates", "rotating"),
    "turn": ("turn", "turns", "turning"),
    "twirl": ("twirl", "twirls", "twirling"),
    "grow": ("grow", "grows", "growing"),
    "expand": ("expand", "expands", "expanding"),
    "swell": ("swell", "swells", "swelling"),
    "get": ("get", "gets", "getting"),
    "become": ("become", "becomes", "becoming"),
    "shrink": ("shrink", "shrinks", "shrinking"),
    "contract": ("contract", "contracts", "contracting"),
}

_GO = ("move", "move", "slide", "glide", "drift", "travel", "float", "fly", "go")

MOTION_WORDS = {  # groups of (verbs, what may follow them)
    "right": ((_GO, ("to the right", "from left to right", "rightwards", "towards the right", "right")),),
    "left": ((_GO, ("to the left", "from right to left", "leftwards", "towards the left", "left")),),
    "up": (
        (_GO, ("up", "upwards", "towards the top", "from bottom to top")),
        (("rise", "climb", "ascend"), ("", "upwards", "towards the top")),
    ),
    "down": (
        (_GO, ("down", "downwards", "towards the bottom", "from top to bottom")),
        (("fall", "sink", "drop", "descend"), ("", "downwards", "towards the bottom")),
    ),
    "circling": (
        (("move", "travel", "fly", "go"), ("in a circle", "in circles", "around in a circle", "along a round path")),
        (("circle", "loop"), ("around",)),
        (("go",), ("round and round",)),
    ),
    "spinning": (
        (("spin", "rotate"), ("", "in place", "on the spot", "around itself")),
        (("turn", "twirl"), ("in place", "on the spot", "around itself")),
    ),
    "growing": (
        (("grow", "expand", "swell"), ("",)),
        (("grow",), ("in size", "larger")),
        (("get", "become"), ("bigger", "larger", "bigger and bigger")),
    ),
    "shrinking": (
        (("shrink", "contract"), ("",)),
        (("shrink",), ("in size", "away")),
        (("get", "become"), ("smaller", "smaller and smaller", "tinier")),
    ),
}

ONE = (
    "{a} {a_third}",
    "{a} {a_third}",
    "{a} is {a_gerund}",
    "{a} {a_gerund}",
    "there is {a} {a_gerund}",
    "there is {a} that {a_third}",
    "{a} can be seen {a_gerund}",
    "{a} keeps {a_gerund}",
    "we see {a} {a_gerund}",
    "a video of {a} {a_gerund}",
    "a clip in which {a} {a_third}",
)
ONE_LATE = (
    "{a} appears and {a_third}",
    "{a} appears later and {a_third}",
    "after a while {a} appears and {a_third}",
    "after some time {a} shows up {a_gerund}",
    "later {a} pops up and {a_third}",
    "suddenly {a} appears {a_gerund}",
    "then {a} comes into view and {a_third}",
)
ONE_LATE_ALONE = (
    "at first there is nothing then {a} appears and {a_third}",
    "nothing happens until {a} appears {a_gerund}",
    "the scene is empty before {a} shows up and {a_third}",
)
ONE_STILL = ("there is {a}", "{a}", "a video of {a}", "we see {a}")

TWO = (
    "{a} {a_third} and {b} {b_third}",
    "{a} {a_third} and {b} {b_third}",
    "{a} {a_third} while {b} {b_third}",
    "{a} {a_third} while {b} is {b_gerund}",
    "while {a} {a_third} {b} {b_third}",
    "as {a} {a_third} {b} {b_third}",
    "{a} is {a_gerund} and {b} is {b_gerund}",
    "{a} {a_gerund} and {b} {b_gerund}",
    "there is {a} {a_gerund} and {b} {b_gerund}",
    "there is {a} that {a_third} and {b} that {b_third}",
    "{a} {a_gerund} with {b} {b_gerund}",
    "we see {a} {a_gerund} and {b} {b_gerund}",
    "a video of {a} {a_gerund} and {b} {b_gerund}",
    "two objects {a} that {a_third} and {b} that {b_third}",
)
TWO_LATE = (  # b is the object that appears late
    "{a} {a_third} and later {b} appears and {b_third}",
    "{a} {a_third} then {b} appears and {b_third}",
    "{a} {a_third} and after a while {b} appears {b_gerund}",
    "{a} is {a_gerund} when {b} shows up and {b_third}",
    "first only {a} {a_third} then {b} also appears {b_gerund}",
    "after a while {b} appears and {b_third} while {a} {a_third}",
    "{b} appears later and {b_third} while {a} {a_third}",
    "{b} joins later {b_gerund} while {a} is {a_gerund}",
    "while {a} {a_third} {b} pops up and {b_third}",
    "there is {a} {a_gerund} before {b} comes into view and {b_third}",
)
TWO_STILL = (
    "{a} {a_third} and there is also {b}",
    "there is {b} and {a} that {a_third}",
    "{a} and {b} in one video",
    "{a} is {a_gerund} along with {b}",
)
BOTH = (  # both objects do the same
    "{a} and {b} both {b_base}",
    "{a} and {b} {b_base}",
    "both {a} and {b} {b_base}",
    "{a} and {b} are {b_gerund}",
    "{a} and {b} are both {b_gerund}",
)


def grammar_words() -> list[str]:
    """Return every word that a caption of objects without borders can contain, sorted."""
    words_of = (COLOUR_WORDS, SHAPE_WORDS, THING_WORDS, SOLE_NOUN_PHRASES, VERBS, MOTION_WORDS)
    sentences = (ONE, ONE_LATE, ONE_LATE_ALONE, ONE_STILL, TWO, TWO_LATE, TWO_STILL, BOTH)
    nouns = [text for text, _ in NOUN_PHRASES]
    places = [photo.places for photo in PHOTOS.values()]
    return _words((words_of, sentences, nouns, places), ("a", "an"))


def added_words() -> list[str]:
    """Return the words that only captions of objects with borders contain: first those of borders, then of places."""
    words = [*_words([text for text, _ in TRIM_PHRASES]), *_words(MORE_PLACES)]
    known = set(grammar_words())
    return [word for word in dict.fromkeys(words) if word not in known]


def _words(tables: Any, others: Iterable[str] = ()) -> list[str]:
    """Every literal word of the texts in some tables, and others, sorted."""
    words = set(others)
    for text in _texts(tables):
        for literal, *_ in string.Formatter().parse(text):
            words.update(literal.split())
    return sorted(words)


def _texts(table: Any) -> Iterator[str]:
    """Walk through nested mappings (values only) and sequences down to their texts."""
    if isinstance(table, str):
        yield table
        return
    for part in table.values() if isinstance(table, Mapping) else table:
        yield from _texts(part)
