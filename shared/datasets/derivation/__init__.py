"""Data sets derived from others by changes: images added, relabelled and removed.

`origins.py` reads the images to add, `content.py` builds the new content from them and from the source's arrays, and
`uploads.py` reads an uploaded archive of images to add.
"""
