"""Schedules of a method: which there are, what they cost, and which give a figure; ``python -m vidtldr.search``."""
