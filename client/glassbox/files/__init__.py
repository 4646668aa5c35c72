"""Files here: folders as zips, images as forms, and formats by a file's ending."""
