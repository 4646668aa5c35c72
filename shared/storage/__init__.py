"""Files on the volume: their paths, their names, and writes that survive a crash."""
