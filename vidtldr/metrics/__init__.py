"""Metrics whose states are fixed-size counters, so that they add up over processes."""

from vidtldr.metrics.retrieval import RetrievalRecall, retrieval_ranks

__all__ = ["RetrievalRecall", "retrieval_ranks"]
