"""Evaluation: a network's accuracy, its errors by class, and the calibration of its probabilities."""
