/* Rounding and clipping of 32-bit accumulators, as localnoise.hardware.fixedpoint states them. Part of the runtime. */
#ifndef LOCALNOISE_INTEGERS_H
#define LOCALNOISE_INTEGERS_H

#include <stdint.h>

/* floor(value / 2^bits + 1/2): the shift of a negative number is the compiler's choice, this is not. */
static inline int32_t ln_rounded(int32_t value, int32_t bits)
{
    if (bits > 0) {
        value += (int32_t)1 << (bits - 1);
        value = (value >= 0) ? (value >> bits) : ~((~value) >> bits);
    }
    return value;
}

static inline int32_t ln_clipped(int32_t value, int32_t low, int32_t high)
{
    return (value < low) ? low : ((value > high) ? high : value);
}

#endif
