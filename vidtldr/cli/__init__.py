"""The command line: what ``eval.py`` and ``train.py`` are made of."""
