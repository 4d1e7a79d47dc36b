"""Free `@njit` functions on arrays: NumPy and Numba only. Objects in the packages above own the memory."""
