"""Attribution: which pixels of an image raise or lower a network's output, and by how much."""
