"""TIFF files (TIFF 6.0, BigTIFF): unpacked, then converted by NumPy; JPEG and fax are decoded by Pillow."""
