"""What every process needs before its own work: settings, logs, traces, clock, cores, and limits on processes."""
