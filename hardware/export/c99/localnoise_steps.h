/* What the learners have in common: shifts of 64 bits, steps that lose bits, what a unit reads. Part of the runtime. */
#ifndef LOCALNOISE_STEPS_H
#define LOCALNOISE_STEPS_H

#include "localnoise.h"
#include "localnoise_learner.h"

#define LN_MOST ((int64_t)LN_WEIGHT_LIMIT)
#define LN_EDGE ((int64_t)1 << (LN_WORD_BITS - 1))

typedef struct {
    unsigned read; /* entries of z that are activations */
    unsigned count; /* entries of z in all */
    int32_t z[((LN_READERS + LN_PARENTS) * LN_CHANNELS) + 1];
} ln_inputs;

static inline int64_t ln_floor(int64_t value, unsigned bits)
{
    return (value >= 0) ? (value >> bits) : ~((~value) >> bits);
}

static inline int64_t ln_times(int64_t value, unsigned bits)
{
    return value * (int64_t)((int64_t)1 << bits);
}

static inline int64_t ln_half_up(int64_t value, unsigned bits)
{
    return (bits > 0U) ? ln_floor(value + ((int64_t)1 << (bits - 1U)), bits) : value;
}

static inline int64_t ln_clip(int64_t value, int64_t low, int64_t high)
{
    return (value < low) ? low : ((value > high) ? high : value);
}

static inline unsigned ln_length(uint64_t value)
{
    unsigned bits = 0U;
    while (value > 0U) {
        value >>= 1;
        bits++;
    }
    return bits;
}

/* What is added before `bits` > 0 bits are lost: random mod 2^bits, or the half where random < 0. Where more than the 32
 * bits of random are lost, its own are the first of them. */
static inline int64_t ln_carry(unsigned bits, int64_t random)
{
    if (random < 0) {
        return (int64_t)1 << (bits - 1U);
    }
    return (bits > 32U) ? ln_times(random, bits - 32U) : (random & (((int64_t)1 << bits) - 1));
}

/* Bits that a shift to the right loses. What is smaller than 2^-62 is nothing, or a step with a probability of 2^-32. */
static inline unsigned ln_lost(int shift)
{
    return (shift > 62) ? 62U : ((shift > 0) ? (unsigned)shift : 0U);
}

/* product 2^-shift, what is lost rounded by the carry; a negative shift shifts left. */
static inline int64_t ln_shifted(int64_t product, int shift, int64_t random)
{
    const unsigned bits = ln_lost(shift);
    return (bits == 0U) ? ln_times(product, (unsigned)(-shift)) : ln_floor(product + ln_carry(bits, random), bits);
}

static inline int64_t ln_energy(const int32_t *z, unsigned count)
{
    int64_t total = ((LN_EDGE * LN_EDGE) / 16 > 1) ? ((LN_EDGE * LN_EDGE) / 16) : 1;
    unsigned j;
    for (j = 0U; j < count; j++) {
        total += (int64_t)z[j] * z[j];
    }
    return total;
}

static inline void ln_gather(ln_inputs *in, unsigned u, const ln_word *d, const ln_word *h)
{
    unsigned k;
    unsigned c;
    in->count = 0U;
    in->z[0] = 0;
#if LN_READERS > 0
    for (k = 0U; k < LN_READERS; k++) {
        const unsigned from = ln_readers[(u * LN_READERS) + k];
        for (c = 0U; (c < LN_CHANNELS) && (from != LN_NO_UNIT); c++) {
            in->z[in->count++] = h[(from * LN_CHANNELS) + c];
        }
    }
#else
    (void)h;
#endif
    in->read = in->count;
    for (k = 0U; k < LN_PARENTS; k++) {
        const unsigned from = ln_parents[(u * LN_PARENTS) + k];
        for (c = 0U; (c < LN_CHANNELS) && (from != LN_NO_UNIT); c++) {
            in->z[in->count++] = d[(from * LN_CHANNELS) + c];
        }
    }
}

/* How many units u reads activations of. */
static inline unsigned ln_readers_of(unsigned u)
{
    unsigned count = 0U;
#if LN_READERS > 0
    unsigned k;
    for (k = 0U; k < LN_READERS; k++) {
        count += (ln_readers[(u * LN_READERS) + k] != LN_NO_UNIT) ? 1U : 0U;
    }
#else
    (void)u;
#endif
    return count;
}

/* And how many neighbours it has in all. */
static inline unsigned ln_links(unsigned u)
{
    unsigned count = ln_readers_of(u);
    unsigned k;
    for (k = 0U; k < LN_PARENTS; k++) {
        count += (ln_parents[(u * LN_PARENTS) + k] != LN_NO_UNIT) ? 1U : 0U;
    }
    return count;
}

#endif
