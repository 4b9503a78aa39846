"""The demo's sets: which videos there are, what they show, how they are written."""
