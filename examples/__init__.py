"""Programs that use Glassbox from other systems."""
