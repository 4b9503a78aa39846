"""``python -m vidtldr.page``; ``--help`` says how."""

import sys

from vidtldr.cli.entry import run

if __name__ == "__main__":
    sys.exit(run("vidtldr.page.command"))
