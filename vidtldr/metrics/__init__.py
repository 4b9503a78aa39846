"""Metrics whose states are fixed-size counters, so that they add up over processes."""

from vidtldr.metrics.base_to_novel import BaseToNovelAccuracy
from vidtldr.metrics.question_answering import AnswerAccuracy
from vidtldr.metrics.recognition import MultiViewAccuracy
from vidtldr.metrics.retrieval import RetrievalRecall, retrieval_ranks

__all__ = ["AnswerAccuracy", "BaseToNovelAccuracy", "MultiViewAccuracy", "RetrievalRecall", "retrieval_ranks"]
