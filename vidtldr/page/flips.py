"""What a method gets right that another gets wrong, and how likely chance makes such a difference."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from vidtldr.results.samples import Sample

_IDENTITY = ("query", "half", "seed", "video", "id")
"""What tells the samples of a method apart, whatever the task."""


@dataclass(frozen=True)
class Outcome:
    """What one method made of a case: what it said, and whether that is right."""

    said: str
    correct: bool


@dataclass(frozen=True)
class Case:
    """A sample and what all methods made of it.

    Attributes:
        kind: What was asked, where a run asks several things: ``text to video``, ``novel classes``.
        question: What was asked about; may be empty.
        video: The video that it is about.
        truth: What would be right.
        outcomes: By method.
    """

    kind: str
    question: str
    video: str
    truth: str
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True)
class Flips:
    """Two methods compared on the same cases of one kind.

    Attributes:
        method: Whose cases these are.
        against: The one that it is compared with.
        kind: Of the cases.
        lost: Cases that only ``against`` gets right.
        gained: Cases that only ``method`` gets right.
        both: Cases that both get right.
        neither: Cases that both get wrong.
    """

    method: str
    against: str
    kind: str
    lost: int
    gained: int
    both: int
    neither: int

    @property
    def p(self) -> float:
        """McNemar's exact p of no difference."""
        return mcnemar_exact(self.lost, self.gained)


def mcnemar_exact(lost: int, gained: int) -> float:
    """The two-sided exact p of McNemar's test: lost and gained cases are as likely as the sides of a coin.

    The binomial form of the test (McNemar 1947, *Psychometrika* 12); without any flip it is 1.

    >>> mcnemar_exact(1, 9)
    0.021484375
    """
    flips, ways, total = lost + gained, 1, 0
    for heads in range(min(lost, gained) + 1):
        total += ways
        ways = ways * (flips - heads) // (heads + 1)  # from n over k to n over k + 1
    return min(1.0, 2 * total / 2**flips)


def cases_of(samples: Mapping[str, Sequence[Sample]]) -> list[Case]:
    """The cases that every method has an outcome for, in the order of the first method.

    Args:
        samples: By method. Those of a user's own task need a ``rank`` from 1 or ``correct``; others give no cases.
    """
    by_method = {method: _by_identity(rows) for method, rows in samples.items()}
    if not by_method:
        return []
    captions = _captions(next(iter(samples.values())))
    shared = [key for key in next(iter(by_method.values())) if all(key in rows for rows in by_method.values())]
    return [
        case
        for key in shared
        if (case := _case({method: rows[key] for method, rows in by_method.items()}, captions)) is not None
    ]


def compare_all(cases: Sequence[Case]) -> list[Flips]:
    """Every method against every other one, each kind of case by itself."""
    methods = list(cases[0].outcomes) if cases else []
    kinds = dict.fromkeys(case.kind for case in cases)
    return [_compare(method, against, kind, cases) for method, against in permutations(methods, 2) for kind in kinds]


def _compare(method: str, against: str, kind: str, cases: Sequence[Case]) -> Flips:
    pairs = Counter(
        (case.outcomes[method].correct, case.outcomes[against].correct) for case in cases if case.kind == kind
    )
    lost, gained, both, neither = (pairs[pair] for pair in ((False, True), (True, False), (True, True), (False, False)))
    return Flips(method, against, kind, lost, gained, both, neither)


def _by_identity(rows: Sequence[Sample]) -> dict[tuple[str, ...], Sample]:
    """Samples by what tells them apart; of equal ones the first, the second, and so on are told apart by number."""
    seen: Counter[tuple[str, ...]] = Counter()
    found: dict[tuple[str, ...], Sample] = {}
    for row in rows:
        key = tuple(f"{row.get(name)}" for name in _IDENTITY)
        found[*key, str(seen[key])] = row
        seen[key] += 1
    return found


def _captions(rows: Sequence[Sample]) -> dict[object, str]:
    """The caption of each text by its number, and one caption of each video by its name."""
    captions: dict[object, str] = {}
    for row in rows:
        if "caption" in row:
            captions[row["id"]] = row["caption"]
            captions.setdefault(row["video"], row["caption"])
    return captions


def _case(rows: Mapping[str, Sample], captions: Mapping[object, str]) -> Case | None:
    outcomes = {method: _outcome(row, captions) for method, row in rows.items()}
    known = {method: outcome for method, outcome in outcomes.items() if outcome is not None}
    if len(known) < len(rows):
        return None
    row = next(iter(rows.values()))
    video = str(row.get("video", ""))
    if row.get("query") == "text":
        return Case("text to video", row.get("caption", f"text {row['id']}"), video, video, known)
    if row.get("query") == "video":
        return Case("video to text", "", video, f"its captions, such as: {captions.get(video, 'unknown')}", known)
    kind = f"{row['half']} classes" if "half" in row else ""
    question = row.get("question", f"{video}, seed {row['seed']}" if row.get("seed") else "")
    truth = next((str(row[key]) for key in ("answer", "class") if key in row), f"class {row.get('label')}")
    return Case(kind, question, video, truth, known)


def _outcome(row: Sample, captions: Mapping[object, str]) -> Outcome | None:
    """What a sample says; None where it does not tell whether that is right."""
    if "correct" in row:
        correct = bool(row["correct"])
    elif "rank" in row:
        correct = row["rank"] == 1
    else:
        return None
    return Outcome(_said(row, captions, correct), correct)


def _said(row: Sample, captions: Mapping[object, str], correct: bool) -> str:
    said = row.get("prediction", "")
    if row.get("query") == "video":
        said = captions.get(said, f"text {said}")
    elif row.get("query") == "text" and not correct and said in captions:
        said = f"{said}: {captions[said]}"
    elif "label" in row:
        said = row.get("predicted_class", f"class {said}")
    return f"{said} (the truth has rank {row['rank']})" if row.get("rank", 1) > 1 else f"{said}"
