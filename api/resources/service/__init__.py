"""Routes about the service itself: health, metrics, presets, and what the caller's key allows."""
