"""Commands on one file: fit, learn, sample, inspect, quantise, export, verify, and reports made again."""
