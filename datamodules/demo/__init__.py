"""The demo data sets: short generated videos of moving shapes over photographs, in file formats of public datasets.

``ensure(root, ("test",))`` makes the one for retrieval, ``python -m datamodules.demo --help`` any of them.
"""

from datamodules.demo.sets.retrieval import GENERATOR_VERSION, SPLITS, Split, ensure
from datamodules.demo.words.vocabulary import write_clip_vocabulary, write_question_vocabulary, write_vocabulary

__all__ = [
    "GENERATOR_VERSION",
    "SPLITS",
    "Split",
    "ensure",
    "write_clip_vocabulary",
    "write_question_vocabulary",
    "write_vocabulary",
]
