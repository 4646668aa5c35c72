"""Training: the steps over mini-batches, and the epochs."""
