"""Class folders: their splits, the examination of their images, the choice of a shape and of colour."""
