"""Evaluate and fine-tune video transformers under training-free token merging (vid-TLDR, ToMe)."""

__version__ = "0.1.0"
