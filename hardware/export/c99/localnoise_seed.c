/* Where on the common cycle a stream begins: as localnoise.hardware.generators.seeding states it. See localnoise.h. */
#include "localnoise.h"

#include "localnoise_random.h"

#define LN_PERIOD ((uint32_t)(0xFFFFFFFFU >> (32 - LN_STATE_BITS)))

/* splitmix64: near seeds land far apart. */
static uint64_t ln_mix(uint64_t z)
{
    z += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

/* z modulo the period 2^LN_STATE_BITS - 1, without a division: its digits to that base are added up. */
static uint32_t ln_modulo(uint64_t z)
{
    while (z > LN_PERIOD) {
        z = (z & LN_PERIOD) + (z >> LN_STATE_BITS);
    }
    return (z == LN_PERIOD) ? 0U : (uint32_t)z;
}

/* M s over GF(2): the XOR of the columns that the bits of s choose. */
static uint32_t ln_apply(const uint32_t matrix[LN_STATE_BITS], uint32_t state)
{
    uint32_t out = 0U;
    unsigned j;
    for (j = 0U; j < LN_STATE_BITS; j++) {
        out ^= (uint32_t)(0U - ((state >> j) & 1U)) & matrix[j];
    }
    return out;
}

/* All units move by as many ticks as lie between the exported place and that of the seed: their distances stay. */
void ln_seed(ln_noise *noise, uint64_t seed)
{
    uint32_t left = ln_modulo((uint64_t)ln_modulo(ln_mix(seed)) + (LN_PERIOD - LN_PLACE));
    uint32_t jump[LN_STATE_BITS]; /* M^ticks, by squaring */
    uint32_t power[LN_STATE_BITS];
    uint32_t squared[LN_STATE_BITS];
    unsigned j;
    for (j = 0U; j < LN_STATE_BITS; j++) {
        jump[j] = (uint32_t)1 << j;
        power[j] = ln_tick((uint32_t)1 << j);
    }
    while (left > 0U) {
        for (j = 0U; (j < LN_STATE_BITS) && ((left & 1U) != 0U); j++) {
            jump[j] = ln_apply(power, jump[j]);
        }
        for (j = 0U; j < LN_STATE_BITS; j++) {
            squared[j] = ln_apply(power, power[j]);
        }
        for (j = 0U; j < LN_STATE_BITS; j++) {
            power[j] = squared[j];
        }
        left >>= 1;
    }
    for (j = 0U; j < LN_UNITS; j++) {
        noise->random[j] = ln_apply(jump, ln_seeds[j]);
    }
#ifdef LN_MEMBERS
    noise->turn = (seed + 1U) * 0x9E3779B97F4A7C15U;
#endif
}
