"""Settings: the fields of a configuration and of the groups in it, and their validation."""
