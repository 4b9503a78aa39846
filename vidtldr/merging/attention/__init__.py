"""Attention with saliency: one interface, three backends that give the same numbers up to rounding."""
