"""The LightningModules, one per task."""

from vidtldr.tasks.retrieval import VideoTextRetrieval

__all__ = ["VideoTextRetrieval"]
