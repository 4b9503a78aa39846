"""Where configs and files named in them are looked for. Standard library only, so that a typo is answered at once."""

import difflib
from pathlib import Path

from vidtldr.errors import UserError

PROJECT_DIR = Path(__file__).resolve().parents[2]
CONFIG_DIR = PROJECT_DIR / "configs"
_SUFFIXES = (".yaml", ".yml", ".json")


def config_names() -> list[str]:
    """Names of the shipped configs, sorted."""
    return sorted(path.name for path in CONFIG_DIR.glob("*.yaml"))


def find_config(name: str) -> Path:
    """Find a config by path or bare name, with or without ``.yaml``: in the working directory, then among the shipped.

    Raises:
        UserError: There is none; the message names the closest shipped one, or all, the closer ones first.
    """
    names = [name] if name.endswith(_SUFFIXES) else [f"{name}.yaml", name]
    for folder in (Path.cwd(), CONFIG_DIR):
        for candidate in names:
            if (folder / candidate).is_file():
                return folder / candidate
    stems = [Path(shipped).stem for shipped in config_names()]  # every name ends in .yaml: no likeness to count
    wanted = Path(names[0]).stem
    closest = difflib.get_close_matches(wanted, stems, n=1, cutoff=0.5)
    listed = [f"{stem}.yaml" for stem in difflib.get_close_matches(wanted, stems, n=len(stems) or 1, cutoff=0)]
    hint = f"did you mean {closest[0]}.yaml?" if closest else f"the shipped ones are {', '.join(listed) or 'none'}"
    raise UserError(f"no config '{name}' in {Path.cwd()} or {CONFIG_DIR}: {hint}")


def resolve_path(path: str) -> str:
    """Make a relative path of a config work from anywhere: the working directory is tried first, then the project.

    What is found in neither is returned as it was, so that the error names what the user wrote.
    """
    if Path(path).is_absolute() or Path(path).exists():
        return path
    in_project = PROJECT_DIR / path
    return str(in_project) if in_project.exists() else path
