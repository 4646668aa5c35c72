"""The workers: Celery tasks that claim a job, run its steps under a lease, and write its end into its record."""
