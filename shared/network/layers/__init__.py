"""Layers: what a mini-batch passes through, forward and backward, and how the parameters lie in one vector."""
