"""Evaluations of versions: metrics, the prediction for each image, and comparisons."""
