/* localnoise: draws, learns and scores structured noise in integers, to the bit as the emulator does.
 *
 * Freestanding C99: no library, no allocation, no floating point, no recursion, no static state that changes. One grid's
 * tables are declared in localnoise_tables.h and held in localnoise_tables.c; compile every .c file of the folder once.
 * The arithmetic is stated in localnoise.hardware.fixedpoint.
 *
 * Words lie unit by unit: word[u * LN_CHANNELS + c] of unit u in row-major order and channel c. A word of the noise, of a
 * displacement or of an innovation has the value word 2^-ln_scale[u]. An activation word h has a scale of its own, the
 * same for all units: where units read activations, an activation x becomes
 *
 *     h = floor(x * 2^LN_ACTIVATION_SCALE + 1/2),  clipped to -2^(LN_ACTIVATION_BITS - 1) .. 2^(LN_ACTIVATION_BITS - 1) - 1
 *
 * The clip is a condition: within it no accumulator overflows. LN_ACTIVATION_SCALE may be negative.
 *
 * THE SAME NOISE AT EVERY START: ln_init begins the stream that was exported (LN_PLACE), so that a device draws the same
 * words after every reset. Where it must not, call ln_seed after ln_init with a number that is new each time: a count of
 * resets, or entropy.
 */
#ifndef LOCALNOISE_H
#define LOCALNOISE_H

#include <stdint.h>

#include "localnoise_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LN_NEURONS (LN_UNITS * LN_CHANNELS)

#if LN_PACKED
typedef uint8_t ln_stored; /* two weights of 4 bits */
#define LN_ROW ((LN_READERS + LN_PARENTS + 1U) * LN_CHANNELS)
#else
typedef ln_weight ln_stored;
#endif

typedef int16_t ln_word;

#ifdef LN_KINDS
/* What changes when drawing a grid whose weights are shared or of a low rank: each unit's generator; and with a rank the
 * LN_RANK words that a unit's links carry, of the noise and of the activation. */
typedef struct {
    uint32_t random[LN_UNITS];
#if LN_RANK > 0
    ln_word carried[LN_UNITS * LN_RANK];
#if LN_READERS > 0
    ln_word taken[LN_UNITS * LN_RANK];
#endif
#endif
} ln_noise;
#else
/* What changes when drawing: each unit's generator; and whose weights are in use. */
typedef struct {
    uint32_t random[LN_UNITS];
    const ln_stored *weights;
    const ln_acc *bias;
#ifdef LN_MEMBERS
    const uint8_t *lift;
    const uint8_t *fraction;
    uint64_t turn; /* from which the next draw's turn follows; the pointers are of the last draw's member */
#endif
} ln_noise;
#endif

/* Start at the beginning of the stream that the tables were seeded for, with the tables' weights. */
void ln_init(ln_noise *noise);

/* Start at the beginning of another stream, that which the emulator draws with the same seed; weights stay. Streams of
 * units do not meet for LN_DRAWS draws. Two seeds are two places on one cycle of 2^LN_STATE_BITS - 1 states: they give
 * other words, but after many draws one may come to where the other began. */
void ln_seed(ln_noise *noise, uint64_t seed);

#ifdef LN_MEMBERS
/* A bank: LN_MEMBERS sets of weights in the same units, of which each draw uses one, or none: whose turn it is follows from
 * the seed and the number of the draw. Returns whose turn the next draw is, -1 where it will be no noise: all words zero.
 * Words have the same scales, whoever's turn it is. */
int ln_turn(const ln_noise *noise);
#elif !defined(LN_KINDS) && !LN_PACKED
/* Draw with weights and biases of your own, such as learned ones, from now on. They stay yours, and in place. */
void ln_use(ln_noise *noise, const ln_weight weights[LN_WEIGHTS], const ln_acc bias[LN_NEURONS]);
#endif

/* One draw of the noise; of a signal-dependent grid, at mean zero. */
void ln_draw(ln_noise *noise, ln_word eta[LN_NEURONS]);

/* One draw for the activation words h: mean and noise. Reads h only if units have readers (LN_READERS > 0). */
void ln_perturb(ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS]);

#ifndef LN_MEMBERS
#if LN_ROUNDING != 2
/* The field without private noise. With stochastic rounding there is none: every sweep then draws random words. */
#ifdef LN_KINDS
void ln_mean(ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS]);
#else
void ln_mean(const ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS]);
#endif
#endif

/* What the units do not explain of the displacement words d: e = saturate(d - prediction), channel by channel. Units
 * that share weights or have a rank predict from their neighbors alone. */
#ifdef LN_KINDS
void ln_innovation(ln_noise *noise, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS], ln_word e[LN_NEURONS]);
#else
void ln_innovation(const ln_noise *noise, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS],
                   ln_word e[LN_NEURONS]);
#endif
#endif

#ifdef __cplusplus
}
#endif

#endif
