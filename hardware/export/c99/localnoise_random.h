/* One step of a unit's generator: a xorshift's 32 bits, or eight ticks of an LFSR for a byte. Part of the runtime. */
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
    unsigned tick;
    for (tick = 0U; tick < ((LN_TAPS == 0) ? 1U : 8U); tick++) {
        state = ln_tick(state);
    }
    return state;
}

/* 32 random bits, low byte first. */
static inline uint32_t ln_random(uint32_t *state)
{
    uint32_t word = 0U;
    unsigned place;
    for (place = 0U; place < 4U; place++) {
        if ((LN_TAPS != 0) || (place == 0U)) {
            *state = ln_step(*state);
        }
        word |= (LN_TAPS != 0) ? ((*state & 0xFFU) << (8U * place)) : *state;
    }
    return word;
}

#endif
