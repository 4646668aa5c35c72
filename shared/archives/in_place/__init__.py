"""Sources that are read in place, instead of an archive on the volume: folders, objects of a store."""
