"""Lightning callbacks: put a merging method on, show progress, measure speed and memory."""

from callbacks.progress import ProgressCallback
from callbacks.speed import Speed, SpeedCallback
from callbacks.token_merge import TokenMergeCallback
from callbacks.training_progress import TrainingProgressCallback

__all__ = ["ProgressCallback", "Speed", "SpeedCallback", "TokenMergeCallback", "TrainingProgressCallback"]
