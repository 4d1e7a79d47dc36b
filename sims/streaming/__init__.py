"""A stream of images on which corruptions come and go, and methods that meet it one image after the other."""
