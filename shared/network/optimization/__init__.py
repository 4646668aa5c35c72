"""Optimization: what turns gradients into new parameters, how fast, and for how long."""
