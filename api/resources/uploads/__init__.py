"""Resumable uploads: the protocol tus 1.0, its headers, and how the bytes are received."""
