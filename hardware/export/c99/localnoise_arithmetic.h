/* Shifts, Gaussian words and rounding, as localnoise.hardware.fixedpoint states them. Part of the runtime. */
#ifndef LOCALNOISE_ARITHMETIC_H
#define LOCALNOISE_ARITHMETIC_H

#include "localnoise.h"

#include "localnoise_random.h"

#define LN_TOP ((int64_t)1 << (LN_WORD_BITS - 1))

/* floor(value / 2^bits): the shift of a negative number is the compiler's choice, this is not. */
static inline ln_acc ln_down(ln_acc value, unsigned bits)
{
    return (value >= 0) ? (ln_acc)(value >> bits) : (ln_acc)(~((~value) >> bits));
}

static inline ln_acc ln_up(ln_acc value, unsigned bits)
{
    return (ln_acc)(value * (ln_acc)((ln_acc)1 << bits));
}

static inline uint32_t ln_ones(uint32_t x)
{
    x = x - ((x >> 1) & 0x55555555U);
    x = (x & 0x33333333U) + ((x >> 2) & 0x33333333U);
    x = (x + (x >> 4)) & 0x0F0F0F0FU;
    return (uint32_t)(x * 0x01010101U) >> 24;
}

/* A Gaussian word of LN_NORMAL_BYTES bytes: 2 sum - 255 k, or 2 ones - 8 k. */
static inline int32_t ln_normal(uint32_t *state)
{
    int32_t total = 0;
    unsigned left = LN_NORMAL_BYTES;
    while (left > 0U) {
        unsigned some;
        uint32_t bytes;
        *state = ln_step(*state);
#if LN_TAPS == 0
        some = (left < 4U) ? left : 4U;
        bytes = *state & (uint32_t)(0xFFFFFFFFU >> (32U - (8U * some)));
#else
        some = 1U;
        bytes = *state & 0xFFU;
#endif
#if LN_POPCOUNT
        total += (int32_t)ln_ones(bytes);
#else
        total += (int32_t)((bytes & 0xFFU) + ((bytes >> 8) & 0xFFU) + ((bytes >> 16) & 0xFFU) + (bytes >> 24));
#endif
        left -= some;
    }
#if LN_POPCOUNT
    return (2 * total) - (8 * LN_NORMAL_BYTES);
#else
    return (2 * total) - (255 * LN_NORMAL_BYTES);
#endif
}

/* (acc + 2^(bits - 1)) >> bits */
static inline ln_acc ln_half_up(ln_acc acc, unsigned bits)
{
    return (bits > 0U) ? ln_down((ln_acc)(acc + (ln_acc)((ln_acc)1 << (bits - 1U))), bits) : acc;
}

static inline ln_word ln_fit(int64_t value)
{
#if LN_WRAP
    value = (int64_t)(((uint64_t)value + (uint64_t)LN_TOP) & (uint64_t)((2 * LN_TOP) - 1)) - LN_TOP;
#else
    value = (value < -LN_TOP) ? -LN_TOP : ((value >= LN_TOP) ? (LN_TOP - 1) : value);
#endif
    return (ln_word)value;
}

/* word(round(acc 2^-bits)) */
static inline ln_word ln_round(ln_acc acc, unsigned bits, uint32_t random)
{
    int64_t value = acc;
#if LN_ROUNDING == 2
    if (bits > 0U) {
        acc = (ln_acc)(acc + (ln_acc)(random & (uint32_t)(((uint64_t)1 << bits) - 1U)));
    }
    value = ln_down(acc, bits);
#else
    (void)random;
    if (bits > 0U) {
        const ln_acc half = (ln_acc)((ln_acc)1 << (bits - 1U));
        value = ln_down((ln_acc)(acc + half), bits);
#if LN_ROUNDING == 1
        if (acc - ln_up(ln_down(acc, bits), bits) == half) {
            value -= value & 1; /* a tie goes to the even word */
        }
#endif
    }
#endif
    return ln_fit(value);
}

#endif
