"""How alike the images of a data set are: near pairs between its splits."""
