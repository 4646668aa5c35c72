"""Running a job: the claim, its lease and heartbeat, graceful shutdown, and the job's outcome."""
