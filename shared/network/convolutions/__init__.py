"""Convolutional networks: their layers, one file each, and the pass of a chunk of images through them."""
