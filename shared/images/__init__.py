"""Images: decoding, conversion to grayscale, and resizing to the network's input."""
