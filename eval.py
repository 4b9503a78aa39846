"""Evaluate a video model under token merging; ``python eval.py --help`` says how."""

import sys

from vidtldr.cli.entry import run

if __name__ == "__main__":
    sys.exit(run("vidtldr.cli.evaluate"))
