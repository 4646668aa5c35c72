"""Whether there is room for more jobs: space of the volume, memory of Redis and of trainers."""
