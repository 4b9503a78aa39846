"""Kinds of transformer blocks in parts, one file a family: what merging asks of a block, and how each kind answers."""
