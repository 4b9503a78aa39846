"""Backbones and the conversion of their published checkpoints."""
