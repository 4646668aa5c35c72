"""Explanations of a prediction: what the network computes for one image, which pixels mattered, similar images."""
