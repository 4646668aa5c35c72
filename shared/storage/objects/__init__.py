"""Objects in an S3-compatible store: their places, and requests to read, list and write them."""
