"""Options, facts and files that the commands of the bench have in common."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from vidtldr.cli.arguments import positive
from vidtldr.cli.entry import user_errors
from vidtldr.errors import UserError
from vidtldr.results.records import device_name, versions

DTYPES = {"32": torch.float32, "bf16": torch.bfloat16, "16": torch.float16}


def add_common(parser: argparse.ArgumentParser, *, rounds: int) -> None:
    """Options of every command: rounds, precision, device and where the figures go."""
    parser.add_argument(
        "--rounds", type=positive, default=rounds, metavar="N", help=f"rounds that count (default {rounds})"
    )
    parser.add_argument("--precision", choices=list(DTYPES), default="32", help="dtype of weights and input")
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda (default: a GPU if there is one)")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="also write the figures as JSON")


def device_of(name: str | None) -> torch.device:
    """The device that was asked for, else a GPU if there is one.

    Raises:
        UserError: There is none of this name.
    """
    with user_errors(RuntimeError):
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: there is no CUDA device")
    return device


def check_compiler(device: torch.device) -> None:
    """Raise UserError where ``torch.compile`` has no compiler to call, which it would say in forty lines."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise UserError(f"--compile needs the C++ compiler {compiler}, which is not there: install it, or set CXX")


def facts(options: argparse.Namespace, device: torch.device) -> dict[str, str]:
    """How and where figures were measured."""
    installed = ", ".join(f"{name} {version}" for name, version in versions().items() if version)
    return {
        "measured": f"{options.rounds} rounds, candidates by turns in each; median of the ratios within a round",
        "computed": f"{device_name(device)}, precision {options.precision}, random weights",
        "versions": installed,
    }


def print_facts(described: dict[str, str]) -> None:
    """Show facts below a table."""
    print("\n" + "\n".join(f"- **{name}**: {text}" for name, text in described.items()))


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write figures if a file was asked for.

    Raises:
        UserError: It cannot be written.
    """
    if path is not None:
        with user_errors(OSError):
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
