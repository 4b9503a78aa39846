"""The demo data set: short videos of moving shapes over photographs, in MSVD's file format.

``ensure(root, ("test",))`` makes them, ``python -m datamodules.demo --help`` does the same from the command line.
"""

from datamodules.demo.generate import GENERATOR_VERSION, SPLITS, Split, ensure
from datamodules.demo.vocabulary import write_vocabulary

__all__ = ["GENERATOR_VERSION", "SPLITS", "Split", "ensure", "write_vocabulary"]
