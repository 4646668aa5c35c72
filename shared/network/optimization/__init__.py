"""Optimization: optimizers, learning-rate schedules, and early stopping."""
