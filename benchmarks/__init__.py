"""Speed and scale, side by side with what a user would use instead: `python -m benchmarks`, or `make bench`."""
