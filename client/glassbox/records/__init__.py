"""Records: the API's responses as frozen dataclasses."""
