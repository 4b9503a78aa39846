"""Instruments: FLOPs, counted and by formula; time, clips per second, peak memory."""
