"""Evaluation: how many images a network classifies correctly, and how far its probabilities can be trusted."""
