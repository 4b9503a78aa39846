"""The engine: every method on the same model and the same clips, on any number of processes."""
