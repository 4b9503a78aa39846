"""Weights from the Hugging Face hub, into the cache of its client; from that cache alone where there is no network."""

import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from vidtldr.errors import UserError
from vidtldr.models.checkpoint.folder import CONFIGS, INDEX_SUFFIX, choose_weights, parts_of_index
from vidtldr.models.checkpoint.sentences import first_few, one_line
from vidtldr.models.hub_name import HubName

_log = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 10.0


def fetch(name: HubName) -> Path:
    """Download the weights that a name stands for, with the config beside them.

    A file that the cache holds is not downloaded again.

    Returns:
        The file with the weights, or their index, among its neighbours.

    Raises:
        UserError: The hub has no such repository, revision or file, refuses it, or cannot be reached while the cache
            lacks it; the message says what to do.
    """
    import huggingface_hub as hub  # takes a moment, and local files do not need it
    from huggingface_hub import errors

    try:
        found = hub.HfApi().model_info(name.repo, revision=name.revision, timeout=_TIMEOUT_SECONDS)
        files = [sibling.rfilename for sibling in found.siblings or []]
        # By the name of the revision, under which the cache then finds it without a network.
        return _download(name, files, lambda file: hub.hf_hub_download(name.repo, file, revision=name.revision))
    except errors.GatedRepoError as error:
        raise UserError(
            f"checkpoint '{name}': {name.repo} is given to those who accept its terms: do so on its page, run "
            "`hf auth login`, and try again"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"checkpoint '{name}' is no file or folder here, and the hub has no repository {name.repo} (or a private "
            "one: `hf auth login`)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"checkpoint '{name}': {name.repo} has no revision '{name.revision}'") from error
    except UserError:
        raise
    except Exception as error:  # the hub's client lets errors of three libraries through
        return _from_cache(name, error)


def _download(name: HubName, files: list[str], get: Callable[[str], str]) -> Path:
    """Get the weights and what belongs to them; ``files`` are all there are."""
    chosen = name.file or choose_weights(files, str(name))
    if chosen not in files:
        raise UserError(f"checkpoint '{name}': {name.repo} has no file {chosen}; it has {first_few(sorted(files), 20)}")
    folder = PurePosixPath(chosen).parent
    for config in CONFIGS:
        if str(folder / config) in files:
            get(str(folder / config))
    path = Path(get(chosen))
    if chosen.endswith(INDEX_SUFFIX):
        for part in parts_of_index(path):
            get(str(folder / part))
    return path


def _from_cache(name: HubName, reason: Exception) -> Path:
    """What was downloaded before, of the same revision."""
    try:
        folder = _snapshot(name)
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        chosen = name.file or choose_weights(files, str(name))
        if chosen not in files:  # nor is one outside of the folder
            raise FileNotFoundError(chosen)
    except Exception as error:  # a cache without this repository, revision or file
        wanted = f" {name.file}" if name.file else ""
        revision = f" --revision {name.revision}" if name.revision else ""
        raise UserError(
            f"checkpoint '{name}' is no file or folder here, the hub cannot be reached ({one_line(reason)}), and its "
            f"cache lacks {name.file or 'the weights'} of {name.repo}: where there is a network, run `hf download "
            f"{name.repo}{wanted}{revision} --local-dir DIR`, and give {f'DIR/{name.file}' if name.file else 'DIR'} as "
            "--model.checkpoint"
        ) from error
    _log.warning("the hub cannot be reached: %s is taken from its cache (%s)", name, folder.name[:12])
    return folder / chosen


def _snapshot(name: HubName) -> Path:
    """The folder of the cache that holds files of this revision; raises what the hub's client does where none does."""
    import huggingface_hub as hub

    try:
        return Path(hub.snapshot_download(name.repo, revision=name.revision, local_files_only=True))
    except Exception as error:
        part = getattr(error, "snapshot_path", None)  # a few files of many are enough here
        if part is None:
            raise
        return Path(part)
