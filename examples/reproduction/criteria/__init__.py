"""The losses of the library by their options, and who counts how much in them."""
