"""What the command shows: progress, charts, evaluations, rates, and a job that is followed."""
