"""Training jobs and reproductions: what they do with a data set, their checkpoints, and their environment."""
