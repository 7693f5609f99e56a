"""Verdicts of runs: metric rows in, verdict out. Pure: no store, no clock, no network."""
