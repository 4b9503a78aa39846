"""From frames to batches: data sets, loaders that outlive their workers, the order of a training."""
