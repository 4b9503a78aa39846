"""How fast encoders run under each method and attention backend: ``python -m vidtldr.bench``."""
