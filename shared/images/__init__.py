"""Images: decoding, conversion to grayscale or RGB, and resizing to the network's input."""
