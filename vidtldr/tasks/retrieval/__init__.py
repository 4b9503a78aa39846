"""Video-text retrieval: the task, re-ranking, and the losses of its fine-tuning."""

from vidtldr.tasks.retrieval.task import VideoTextRetrieval

__all__ = ["VideoTextRetrieval"]
