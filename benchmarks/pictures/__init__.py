"""Class folders of pictures as a person has them, made from what Python packages carry, and a reference for them."""
