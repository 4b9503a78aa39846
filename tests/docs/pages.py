"""The pages that are written for people, and the code that stands in them."""

import re
from itertools import product

from vidtldr.cli.paths import PROJECT_DIR

PAGES = {
    str(path.relative_to(PROJECT_DIR)): path.read_text(encoding="utf-8")
    for path in (
        PROJECT_DIR / "README.md",
        PROJECT_DIR / "CONTRIBUTING.md",
        *sorted((PROJECT_DIR / "docs").glob("*.md")),
    )
}
_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")


def spans(page: str) -> list[str]:
    """What stands between backticks in the running text and in tables of a page."""
    return [" ".join(span.split()) for span in _SPAN.findall(_FENCE.sub("", PAGES[page]))]


def code(page: str) -> list[str]:
    """Lines of the blocks of a page, continued lines joined and comments cut off, and what stands between backticks."""
    lines = "".join(_FENCE.findall(PAGES[page])).replace("\\\n", "").splitlines()
    return [re.sub(r"\s+#.*", "", line).strip() for line in lines] + spans(page)


def commands(pattern: str) -> list[tuple[str, ...]]:
    """All commands of all pages, each once, as the groups of a pattern."""
    found = [re.search(pattern, line) for page in PAGES for line in code(page)]
    return sorted({match.groups() for match in found if match})


def expanded(text: str) -> list[str]:
    """What a shell makes of braces: ``a_{b,c}.yaml`` is ``a_b.yaml`` and ``a_c.yaml``."""
    parts = [part.split(",") if place % 2 else [part] for place, part in enumerate(re.split(r"[{}]", text))]
    return ["".join(choice) for choice in product(*parts)]
