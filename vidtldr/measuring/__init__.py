"""Instruments: FLOPs, counted and by formula; time."""
