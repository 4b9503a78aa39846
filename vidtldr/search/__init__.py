"""The command ``python -m vidtldr.search``: which schedule gives a figure, and which to take within a budget."""
