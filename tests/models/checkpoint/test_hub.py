"""Models of the hub by name, from a stand-in server, from the cache alone, and what is said where neither helps.

The client of the hub reads its environment once, when it is imported: each state of the network is a process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.helpers.hub import commit_of, hub_of
from vidtldr.cli.paths import PROJECT_DIR
from vidtldr.models.checkpoint import find_checkpoint

pytestmark = pytest.mark.slow  # three processes

_CHILD = """
import json, logging, sys
from vidtldr.errors import UserError
from vidtldr.models.checkpoint import find_checkpoint

logging.basicConfig(stream=sys.stderr)
answers = {}
for name in sys.argv[1:]:
    try:
        found = find_checkpoint(name)
        state = {key: value.sum().item() for key, value in found.read().items()}
        answers[name] = {"state": state, "files": list(map(str, found.files)), "sha256": found.sha256(),
                         "classes": found.class_names, "frames": found.num_frames}
    except UserError as error:
        answers[name] = str(error)
print(json.dumps(answers))
"""
_NAMES = (
    "org/videomae", "org/videomae@v1", "org/zoo:deep/b16.pth", "org/sharded", "org/zoo", "org/zoo:c.pth", "org/none",
    "org/videomae@no-such", "org/gated", "weights/typo", "org/videomae:../../../../outside.pth",
)  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    videomae, zoo, sharded = (folder / "org" / name for name in ("videomae", "zoo", "sharded"))
    for path in (videomae, zoo / "deep", sharded):
        path.mkdir(parents=True)
    save_file({"a": torch.ones(2)}, videomae / "model.safetensors")
    config = {"model_type": "videomae", "num_frames": 8, "id2label": {"1": "typing", "0": "diving"}}
    (videomae / "config.json").write_text(json.dumps(config))
    (videomae / "training_args.bin").write_bytes(b"not weights")
    torch.save({"module": {"b": torch.ones(3)}}, zoo / "deep" / "b16.pth")
    torch.save({"module": {"b": torch.ones(4)}}, zoo / "b17.pth")
    save_file({"a": torch.ones(5)}, sharded / "model-1.safetensors")
    save_file({"b": torch.ones(6)}, sharded / "model-2.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def _asked(cache: Path, *names: str, **environment: str) -> tuple[dict, str]:
    kept = {"PYTHONPATH": str(PROJECT_DIR), "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "no_proxy": "*"}
    environment = os.environ | kept | environment
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *names], capture_output=True, text=True, env=environment, timeout=200, cwd=cache
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def answers(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict, str, list[str]]:
    """With a network; from the cache that this left, without one; what was logged then; what the hub was asked for."""
    cache = tmp_path_factory.mktemp("cache")
    with hub_of(hub) as (address, asked):
        online, _ = _asked(cache, *_NAMES, HF_ENDPOINT=address)
    torch.save({"b": torch.ones(1)}, cache / "outside.pth")
    offline, logged = _asked(cache, *_NAMES, HF_HUB_OFFLINE="1")
    return online, offline, logged, asked


def test_a_model_is_downloaded_with_its_config(answers: tuple[dict, dict, str, list[str]], hub: Path) -> None:
    online, _, _, asked = answers
    found = online["org/videomae"]
    assert (found["state"], found["classes"], found["frames"]) == ({"a": 2}, ["diving", "typing"], 8)
    assert found["sha256"] == find_checkpoint(hub / "org" / "videomae").sha256()
    assert commit_of("main") in found["files"][0]
    assert commit_of("v1") in online["org/videomae@v1"]["files"][0]
    assert not any("training_args" in path for path in asked)


def test_a_file_of_a_repository_is_named_after_a_colon(answers: tuple[dict, dict, str, list[str]]) -> None:
    online, *_ = answers
    assert online["org/zoo:deep/b16.pth"]["state"] == {"b": 3}
    assert "'org/zoo' is a folder with 2 weight files: name one of them (b17.pth, deep/b16.pth)" in online["org/zoo"]
    assert (
        online["org/zoo:c.pth"] == "checkpoint 'org/zoo:c.pth': org/zoo has no file c.pth; it has b17.pth, deep/b16.pth"
    )


def test_all_parts_of_an_index_are_downloaded_and_hashed(answers: tuple[dict, dict, str, list[str]], hub: Path) -> None:
    online, *_ = answers
    assert online["org/sharded"]["state"] == {"a": 5, "b": 6}
    assert online["org/sharded"]["sha256"] == find_checkpoint(hub / "org" / "sharded").sha256()


def test_what_the_hub_refuses_is_a_sentence(answers: tuple[dict, dict, str, list[str]]) -> None:
    online, *_ = answers
    assert "'org/none' is no file or folder here, and the hub has no repository org/none" in online["org/none"]
    assert "'weights/typo' is no file or folder here" in online["weights/typo"]
    assert online["org/videomae@no-such"].endswith("org/videomae has no revision 'no-such'")
    assert "org/gated is given to those who accept its terms" in online["org/gated"]


def test_without_a_network_the_cache_is_read_or_a_sentence_says_what_to_put_where(
    answers: tuple[dict, dict, str, list[str]],
) -> None:
    online, offline, logged, _ = answers
    for name in ("org/videomae", "org/videomae@v1", "org/zoo:deep/b16.pth", "org/sharded"):
        assert offline[name] == online[name]
    assert "the hub cannot be reached: org/videomae is taken from its cache" in logged
    assert (
        "its cache lacks c.pth of org/zoo: where there is a network, run `hf download org/zoo c.pth --local-dir DIR`"
        in (offline["org/zoo:c.pth"])
    )
    assert offline["org/zoo:c.pth"].endswith("and give DIR/c.pth as --model.checkpoint")
    assert "cache lacks the weights of org/none" in offline["org/none"]
    assert "--revision no-such" in offline["org/videomae@no-such"]
    assert "cache lacks ../../../../outside.pth of org/videomae" in offline["org/videomae:../../../../outside.pth"]
    assert not any("\n" in answer for answer in offline.values() if isinstance(answer, str))


def test_an_address_where_nobody_answers_is_no_network(tmp_path: Path) -> None:
    found, _ = _asked(tmp_path, "org/videomae", HF_ENDPOINT="http://127.0.0.1:9")
    assert "the hub cannot be reached" in found["org/videomae"]
    assert "hf download org/videomae --local-dir DIR" in found["org/videomae"]
