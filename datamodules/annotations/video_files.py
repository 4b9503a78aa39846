"""From the name of a video in an annotation to the file on disk.

Users rename, transcode, flatten and nest their videos, so a name is looked up in several ways, strictest first. An
absolute path of another machine is looked up by the longest end that it shares with a file. What is never done: leaving
the data root, or choosing between two candidates (but for datasets whose files under several suffixes are copies of one
video).
"""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import takewhile
from pathlib import Path

from datamodules.annotations.foreign_paths import is_absolute, tail_parts, with_slashes

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".3g2", ".mts", ".m2ts", ".flv"
)  # fmt: skip
MIN_VIDEO_BYTES = 1024  # what is smaller is the stub of a failed download and counts as missing

Aliases = Callable[[str], Iterable[str]]
"""From a name without suffix to the other names under which the same video may lie on disk."""


def strip_suffix(name: str) -> str:
    """Drop the last suffix if it is one of a video: stems may themselves hold dots."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


class VideoFiles:
    """All video files below a folder, found by the names that annotations use.

    The folder is walked once, at construction; linked folders in it are not entered.

    Args:
        folder: Folder that holds the videos, at any depth.
        root: Data root that no file may lie outside of, links followed; None is ``folder`` itself.
        aliases: Other names of a video, tried when its own is not found.
        suffixes_are_copies: Files that differ in their suffixes alone are one video: take the first by
            ``VIDEO_SUFFIXES``.
    """

    def __init__(
        self,
        folder: str | Path,
        root: str | Path | None = None,
        aliases: Aliases | None = None,
        suffixes_are_copies: bool = False,
    ):
        self.folder = os.path.realpath(folder)
        self.root = os.path.realpath(root or folder)
        self._aliases = aliases or (lambda stem: ())
        self._suffixes_are_copies = suffixes_are_copies
        self._by_name: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.num_files = 0
        for relative in _walk(self.folder):
            self.num_files += 1
            for key in _keys(relative) + _folded_keys(relative):
                self._by_name[key].add(relative)

    def find(self, name: str) -> Path | None:
        """The file of a video, or None if there is none of at least 1 KiB.

        Args:
            name: Name in the annotation: a path below the folder, with or without its suffix, or an absolute path of
                another machine; with the separators of Windows or of Unix.

        Raises:
            ValueError: The name leads out of the data root, or several files answer to it equally well.
        """
        if self.is_foreign(name):
            relative, lookup = os.path.join(*tail_parts(self._slashed(name))), self._lookup_tails
        else:
            relative, lookup = self._inside(name), self._lookup
        names = [relative, *(_renamed(relative, alias) for alias in self._aliases(strip_suffix(Path(relative).name)))]
        for tried in (names[:1], names[1:]):
            candidates = lookup(tried)
            if self._suffixes_are_copies:
                candidates = _first_copy(relative, candidates)
            if len(candidates) > 1:
                shown = ", ".join(sorted(candidates)[:5])
                raise ValueError(f"video {name!r} could be any of {len(candidates)} files in {self.folder}: {shown}")
            if candidates:
                return self._checked(name, candidates.pop())
        return None

    def is_foreign(self, name: str) -> bool:
        """Whether a name is an absolute path of another machine.

        It lies outside the data root, and nothing lies there on this machine: what does is refused as outside.
        """
        path = self._slashed(name)
        if "\0" in name or not is_absolute(path) or not tail_parts(path) or ".." in tail_parts(path):
            return False
        return not self._allows(os.path.realpath(path)) and not os.path.lexists(path)

    def _slashed(self, name: str) -> str:
        """The name with slashes for backslashes, unless these are a part of the name of a file."""
        return name if _folded_keys(name)[3] in self._by_name else with_slashes(name)

    def _lookup_tails(self, names: list[str]) -> set[str]:
        """The files that share the longest end with one of these paths; of equal ones, that of the most equal name."""
        scores: dict[str, tuple[int, bool, bool, bool]] = {}
        for name in names:
            # linked folders were not walked, but a path may lead through them
            linked = (tail for tail in _tails(name) if _is_video(os.path.join(self.folder, tail)))
            for candidate in {*self._by_name.get(_folded_keys(name)[3], ()), *linked}:
                score = _shared_tail(candidate, name)
                scores[candidate] = max(score, scores.get(candidate, score))
        best = max(scores.values(), default=None)
        return {candidate for candidate, score in scores.items() if score == best}

    def _lookup(self, names: list[str]) -> set[str]:
        exact = {name for name in names if _is_video(os.path.join(self.folder, name))}
        if exact:
            return exact
        for keys in (_keys, _folded_keys):
            for step in range(4):
                candidates = set().union(*(self._by_name.get(keys(name)[step], ()) for name in names))
                if candidates:
                    return candidates
        return set()

    def _inside(self, name: str) -> str:
        """The name as a path relative to the folder, refused when it is none."""
        if "\0" in name:
            raise ValueError(f"video {name!r} is no file name")
        # the folder has its links resolved, so those of an absolute name must be too
        path = self._slashed(name)
        full = os.path.realpath(path) if os.path.isabs(path) else os.path.normpath(os.path.join(self.folder, path))
        if not self._allows(full) or (is_absolute(path) and not os.path.isabs(path)):
            raise ValueError(f"video {name!r} lies outside the data root {self.root}")
        return os.path.relpath(full, self.folder)

    def _checked(self, name: str, relative: str) -> Path:
        target = os.path.realpath(os.path.join(self.folder, relative))
        if not self._allows(target):
            raise ValueError(f"video {name!r} is a link that leads outside the data root {self.root}, to {target}")
        return Path(os.path.normpath(os.path.join(self.folder, relative)))

    def _allows(self, path: str) -> bool:
        return any(path.startswith(os.path.join(allowed, "")) for allowed in (self.folder, self.root))


def _walk(folder: str) -> Iterable[str]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            full = os.path.join(parent, name)
            # a leading dot: the "._video1.mp4" that macOS leaves beside each copied file
            # a dot at the end: uploads of DiDeMo that lost their suffix
            if not name.startswith(".") and name.lower().endswith((*VIDEO_SUFFIXES, ".")) and _is_video(full):
                yield os.path.relpath(full, folder)


def _is_video(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) >= MIN_VIDEO_BYTES


def _keys(relative: str) -> list[tuple[str, str]]:
    """Ways to look a path up, in the order in which they are tried."""
    name = os.path.basename(relative)
    return [("path", relative), ("path stem", strip_suffix(relative)), ("name", name), ("stem", strip_suffix(name))]


def _folded_keys(relative: str) -> list[tuple[str, str]]:
    return [(f"{kind}, any case", key.lower()) for kind, key in _keys(relative)]


def _shared_tail(relative: str, asked: str) -> tuple[int, bool, bool, bool]:
    """How well the end of a path fits a file: parts in common, all of the file's, and equal in name or stem with case.

    The stems of both are equal but for case.
    """
    asked_parts, parts = (_folded_keys(path)[1][1].split(os.sep) for path in (asked, relative))
    pairs = zip(reversed(asked_parts), reversed(parts), strict=False)
    num_shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    ends = [os.sep.join(path.split(os.sep)[-num_shared:]) for path in (asked, relative)]
    return num_shared, num_shared == len(parts), ends[0] == ends[1], strip_suffix(ends[0]) == strip_suffix(ends[1])


def _tails(path: str) -> Iterable[str]:
    parts = path.split(os.sep)
    return (os.path.join(*parts[start:]) for start in range(len(parts)))


def _first_copy(asked: str, candidates: set[str]) -> set[str]:
    """The first of candidates that differ in suffixes alone: that made from the file asked for, else by suffix."""
    if len({_all_suffixes(path)[0] for path in candidates}) != 1:
        return candidates  # none, or several videos

    def order(path: str) -> tuple[bool, list[int], str]:
        name = os.path.basename(path)
        return strip_suffix(name) != os.path.basename(asked), _all_suffixes(path)[1], path

    first = min(candidates, key=order)
    if len(candidates) > 1:
        logger.info("video %r: took %s, the first of %s", asked, first, ", ".join(sorted(candidates)))
    return {first}


def _all_suffixes(path: str) -> tuple[str, list[int]]:
    """A file name without any of its suffixes, and the places of these in ``VIDEO_SUFFIXES``, the last one first."""
    name, places = os.path.basename(path), []
    while (stem := strip_suffix(name)) != name:
        places.append(VIDEO_SUFFIXES.index(os.path.splitext(name)[1].lower()))
        name = stem
    return name.rstrip("."), places


def _renamed(relative: str, stem: str) -> str:
    return os.path.join(os.path.dirname(relative), stem)
