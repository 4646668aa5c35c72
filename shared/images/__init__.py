"""Images: their way into the network's input."""
