"""What happened to jobs: the event streams of one job and of all, and the history of a training."""
