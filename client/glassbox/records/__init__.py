"""Records: what the API answers with, as frozen dataclasses."""
