"""Images: the archives that they come in, judged before they are accepted, and their way into the network's input."""
