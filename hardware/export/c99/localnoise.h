/* localnoise: draws, learns and scores structured noise in integers, to the bit as the emulator does.
 *
 * Freestanding C99: no library, no allocation, no floating point, no recursion, no static state that changes. One grid's
 * tables are in localnoise_tables.h; the arithmetic is stated in localnoise.hardware.fixedpoint.
 *
 * Words lie unit by unit: word[u * LN_CHANNELS + c] of unit u in row-major order and channel c, value word 2^-scale[u].
 */
#ifndef LOCALNOISE_H
#define LOCALNOISE_H

#include <stdint.h>

#include "localnoise_tables.h"

#define LN_NEURONS (LN_UNITS * LN_CHANNELS)

typedef int16_t ln_word;

/* What changes when drawing: each unit's generator; and whose weights are in use. */
typedef struct {
    uint32_t random[LN_UNITS];
    const ln_weight *weights;
    const ln_acc *bias;
} ln_noise;

/* Start at the beginning of the stream that the tables were seeded for. */
void ln_init(ln_noise *noise);

/* Draw with weights and biases of your own, such as learned ones, from now on. They stay yours, and in place. */
void ln_use(ln_noise *noise, const ln_weight weights[LN_WEIGHTS], const ln_acc bias[LN_NEURONS]);

/* One draw of the noise; of a signal-dependent grid, at mean zero. */
void ln_draw(ln_noise *noise, ln_word eta[LN_NEURONS]);

/* One draw for the activation words h: mean and noise. Reads h only if units have readers. */
void ln_perturb(ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS]);

/* The field without private noise. */
void ln_mean(const ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS]);

/* What the units do not explain of the displacement words d: e = saturate(d - prediction), channel by channel. */
void ln_innovation(const ln_noise *noise, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS],
                   ln_word e[LN_NEURONS]);

#endif
