"""The built-in data sets, and the downloads of those that are not part of the code."""
