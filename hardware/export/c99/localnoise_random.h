/* A unit's generator: a step gives a xorshift's 32 bits, or is eight ticks of an LFSR for a byte. Part of the runtime. */
#ifndef LOCALNOISE_RANDOM_H
#define LOCALNOISE_RANDOM_H

#include "localnoise_tables.h"

/* The least that a state moves by: a step of a xorshift, a tick of an LFSR. */
static inline uint32_t ln_tick(uint32_t state)
{
#if LN_TAPS == 0
    state ^= (uint32_t)(state << 13);
    state ^= state >> 17;
    return state ^ (uint32_t)(state << 5);
#else
    return (state >> 1) ^ ((uint32_t)(0U - (state & 1U)) & (uint32_t)LN_TAPS);
#endif
}

static inline uint32_t ln_step(uint32_t state)
{
#if LN_TAPS == 0
    return ln_tick(state);
#else
    unsigned tick;
    for (tick = 0U; tick < 8U; tick++) {
        state = ln_tick(state);
    }
    return state;
#endif
}

#ifdef LN_MEMBERS
/* The finaliser of splitmix64: near numbers give unlike ones. */
static inline uint64_t ln_scramble(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}
#endif

/* 32 random bits, low byte first. */
static inline uint32_t ln_random(uint32_t *state)
{
#if LN_TAPS == 0
    *state = ln_step(*state);
    return *state;
#else
    uint32_t word = 0U;
    unsigned place;
    for (place = 0U; place < 4U; place++) {
        *state = ln_step(*state);
        word |= (*state & 0xFFU) << (8U * place);
    }
    return word;
#endif
}

#endif
