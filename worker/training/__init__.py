"""The handlers of training and reproduction jobs, their checkpoints, and the environment that they record."""
