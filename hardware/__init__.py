"""Hardware: fixed point, random numbers, chip profiles, fit, cost, emulation and export of a learned grid."""
