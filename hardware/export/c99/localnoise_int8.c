/* Noise on an 8-bit tensor of a network of your own. See localnoise_int8.h. */
#include "localnoise_int8.h"

/* floor(value / 2^bits + 1/2), bits < 0: shifted left. A shift of 62 and more leaves nothing of 48 bits. */
static int64_t ln_scaled(int64_t value, int bits)
{
    if (bits > 0) {
        const int by = (bits < 62) ? bits : 62;
        value += (int64_t)1 << (by - 1);
        return (value >= 0) ? (value >> by) : ~((~value) >> by);
    }
    return value * ((int64_t)1 << ((bits > -14) ? -bits : 14));
}

static int64_t ln_within(int64_t value, int64_t top)
{
    return (value < -top) ? -top : ((value >= top) ? (top - 1) : value);
}

/* Where unit u's channel c lies. */
static uint32_t ln_place(const ln_tensor *tensor, uint32_t u, uint32_t c)
{
    return (tensor->layout == LN_CHW) ? ((c * LN_UNITS) + u) : ((u * LN_CHANNELS) + c);
}

void ln_add_noise_int8(ln_noise *noise, const ln_tensor *tensor, int8_t q[LN_NEURONS], ln_word scratch[LN_INT8_SCRATCH])
{
    uint32_t u;
    uint32_t c;
#if LN_READERS > 0
    ln_word *read = &scratch[LN_NEURONS];
    for (u = 0U; u < LN_UNITS; u++) {
        for (c = 0U; c < LN_CHANNELS; c++) {
            const int64_t value = ((int64_t)q[ln_place(tensor, u, c)] - tensor->zero_point) * (int64_t)tensor->scale;
            read[(u * LN_CHANNELS) + c] = (ln_word)ln_within(ln_scaled(value, 24 - (LN_ACTIVATION_SCALE)), (int64_t)1 << (LN_ACTIVATION_BITS - 1));
        }
    }
    ln_perturb(noise, read, scratch);
#else
    ln_draw(noise, scratch);
#endif
    for (u = 0U; u < LN_UNITS; u++) {
        for (c = 0U; c < LN_CHANNELS; c++) {
            const int64_t eta = (int64_t)scratch[(u * LN_CHANNELS) + c] * (int64_t)tensor->inverse;
            int8_t *to = &q[ln_place(tensor, u, c)];
            *to = (int8_t)ln_within((int64_t)*to + ln_scaled(eta, 16 + (int)ln_scale[u]), 128);
        }
    }
}
