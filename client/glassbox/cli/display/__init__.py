"""Terminal output: progress of jobs, charts, evaluations and rates."""
