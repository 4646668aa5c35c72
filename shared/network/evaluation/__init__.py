"""Evaluation: a trained network's forward passes, its accuracy, errors by class, and calibration."""
