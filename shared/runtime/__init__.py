"""The runtime environment of every process: settings, logs, traces, clock, cores, and limits on processes."""
