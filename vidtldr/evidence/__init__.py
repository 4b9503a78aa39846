"""Do scores of tokens find the foreground? On generated videos the answer is known; ``python -m vidtldr.evidence``."""
