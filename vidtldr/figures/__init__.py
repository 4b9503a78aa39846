"""The command ``python -m vidtldr.figures``: the paper's pictures, for any model, method and video."""
