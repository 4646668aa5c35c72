"""Decoding in a process of its own, for formats whose headers do not say what they cost."""
