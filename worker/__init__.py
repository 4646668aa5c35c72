"""The workers: Celery tasks that claim a job, run its handler under a lease, and record its outcome."""
