"""Spiking layers in experiments: variability as neuroscientists measure it, and what a rate read-out is worth."""
