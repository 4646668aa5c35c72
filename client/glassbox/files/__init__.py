"""Local files: folders as zips, images as parts of a form, and formats by a file's ending."""
