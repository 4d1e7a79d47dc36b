"""The audit of a network: what its noise's structure certifies, covers, and what surprises it."""
