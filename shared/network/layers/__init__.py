"""Layers: the forward and backward pass of a mini-batch, and the layout of the parameters in one vector."""
