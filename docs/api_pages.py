"""Make pages of all docstrings: ``python docs/api_pages.py build/api``. Needs no network."""

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc

PACKAGES = ("vidtldr", "datamodules", "callbacks")


def modules() -> Iterator[str]:
    """Name all modules; pdoc by itself leaves out those that a package does not list in ``__all__``."""
    for name in PACKAGES:
        yield name
        found = pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}.")
        yield from (module.name for module in found if not module.name.endswith(".__main__"))


def can_be_imported(name: str) -> bool:
    """Whether a module has what it needs here: a decoder or a GPU compiler that is a choice may be missing."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in PACKAGES:
            raise
        print(f"no page for {name}: {error}")
        return False
    return True


def import_what_waits(name: str) -> None:
    """Import what a package imports only when it is asked for; pdoc does not ask."""
    package = importlib.import_module(name)
    for public in getattr(package, "__all__", ()):
        setattr(package, public, getattr(package, public))


if __name__ == "__main__":
    # Each module is named here and found again in its package.
    warnings.filterwarnings("ignore", message="The module specification")
    names = [name if can_be_imported(name) else f"!{name}" for name in modules()]  # pdoc leaves "!name" out
    for waiting in ("datamodules", "vidtldr.tasks", "vidtldr.cost"):
        import_what_waits(waiting)
    pdoc.render.configure(docformat="google", footer_text="vidtldr")
    pdoc.pdoc(*names, output_directory=Path(sys.argv[1]))
