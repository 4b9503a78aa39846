"""What goes to disk: atomic files, JSON values, the outcome of batches, checkpoints of a training."""
