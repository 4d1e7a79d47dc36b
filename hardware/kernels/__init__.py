"""Integer kernels, JIT-compiled: what the chip does, to the bit. No fast-math, no floating point."""
