"""Running a job: the claim, its lease and heartbeat, graceful shutdown, and how it ends."""
