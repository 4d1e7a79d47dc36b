/* The runtime of a grid whose weights are shared by places, or of a low rank: tables once a class. See localnoise.h. */
#include "localnoise.h"

#include "localnoise_arithmetic.h"

#define LN_LOWER ((LN_CHANNELS * (LN_CHANNELS + 1)) / 2)

#if LN_RANK > 0
/* A unit's words in the directions that links carry. */
static void ln_carry(const ln_weight *basis, const uint8_t *drop, const ln_word *x, ln_word *out)
{
    unsigned j;
    unsigned c;
    for (j = 0U; j < LN_RANK; j++) {
        ln_acc acc = 0;
        for (c = 0U; c < LN_CHANNELS; c++) {
            acc = (ln_acc)(acc + ((ln_acc)basis[(j * LN_CHANNELS) + c] * (ln_acc)x[c]));
        }
        out[j] = ln_fit(ln_half_up(acc, drop[j]));
    }
}
#endif

/* Bias, and what the neighbors of unit u say, at the last accumulator's fraction. x and h hold the LN_CARRIED words of
 * each unit that its links carry. */
static void ln_say(unsigned u, const ln_word *x, const ln_word *h, int signal, ln_acc *said)
{
    const unsigned kind = ln_kinds[u];
    const ln_weight *w = &ln_weights[ln_first[kind]];
    unsigned j;
    unsigned k;
    unsigned c;
    for (c = 0U; c < LN_CHANNELS; c++) {
#if LN_READERS > 0
        said[c] = (signal != 0) ? ln_up(ln_bias[(u * LN_CHANNELS) + c], LN_OFFSET) : 0;
#else
        said[c] = 0;
#endif
    }
    for (j = 0U; j < LN_CARRIED; j++) {
        const uint8_t *lift = &ln_lift[2U * ((kind * LN_CARRIED) + j)];
        ln_acc read = 0;
        ln_acc near = 0;
#if LN_READERS > 0
        for (k = 0U; k < LN_READERS; k++) {
            const ln_index from = ln_readers[(u * LN_READERS) + k];
            if (from != LN_NO_UNIT) {
                for (c = 0U; (c < LN_CARRIED) && (signal != 0); c++) {
                    read = (ln_acc)(read + ((ln_acc)w[c] * (ln_acc)h[((unsigned)from * LN_CARRIED) + c]));
                }
                w += LN_CARRIED;
            }
        }
#else
        (void)h;
        (void)signal;
#endif
        for (k = 0U; k < LN_PARENTS; k++) {
            const ln_index from = ln_parents[(u * LN_PARENTS) + k];
            if (from == LN_NO_UNIT) {
                break; /* missing parents come last */
            }
            for (c = 0U; c < LN_CARRIED; c++) {
                near = (ln_acc)(near + ((ln_acc)w[c] * (ln_acc)x[((unsigned)from * LN_CARRIED) + c]));
            }
            w += LN_CARRIED;
        }
        near = (ln_acc)(ln_up(read, lift[0]) + ln_up(near, lift[1]));
#if LN_RANK > 0
        near = ln_fit(ln_half_up(near, ln_fraction[(kind * LN_RANK) + j]));
        for (c = 0U; c < LN_CHANNELS; c++) {
            said[c] = (ln_acc)(said[c] + ln_up((ln_acc)((ln_acc)ln_inward[(j * LN_CHANNELS) + c] * near), ln_lead[j]));
        }
#else
        said[j] = (ln_acc)(said[j] + near);
#endif
    }
}

/* What links carry of the activation words h. */
static const ln_word *ln_taken(ln_noise *noise, const ln_word *h, int signal)
{
#if (LN_RANK > 0) && (LN_READERS > 0)
    unsigned u;
    for (u = 0U; (u < LN_UNITS) && (signal != 0); u++) {
        ln_carry(ln_reading, ln_sunk, &h[u * LN_CHANNELS], &noise->taken[u * LN_RANK]);
    }
    return noise->taken;
#else
    (void)noise;
    (void)signal;
    return h;
#endif
}

static void ln_sweep(ln_noise *noise, int noisy, const ln_word *h, ln_word *eta, int signal)
{
    const ln_word *read = ln_taken(noise, h, signal);
#if LN_RANK > 0
    const ln_word *x = noise->carried;
#else
    const ln_word *x = eta;
#endif
    unsigned v;
    for (v = 0U; v < LN_UNITS; v++) {
        const unsigned u = ln_order[v];
        const unsigned level = ln_levels[u];
        const ln_weight *factor = &ln_factor[(uint32_t)level * LN_LOWER];
        int32_t xi[LN_CHANNELS];
        uint32_t random[LN_CHANNELS];
        ln_acc said[LN_CHANNELS];
        unsigned i;
        unsigned j;
        for (i = 0U; i < LN_CHANNELS; i++) {
            xi[i] = (noisy != 0) ? ln_normal(&noise->random[u]) : 0;
            random[i] = 0U;
        }
#if LN_ROUNDING == 2
        for (i = 0U; (i < LN_CHANNELS) && (noisy != 0); i++) {
            random[i] = ln_random(&noise->random[u]);
        }
#endif
        ln_say(u, x, read, signal, said);
        for (i = 0U; i < LN_CHANNELS; i++) {
            ln_acc own = 0;
            for (j = 0U; j <= i; j++) {
                own = (ln_acc)(own + ((ln_acc)factor[j] * (ln_acc)xi[j]));
            }
            factor += j;
            own = ln_half_up(own, ln_deep[(level * LN_CHANNELS) + i]);
            own = ln_up((ln_acc)((ln_acc)ln_s[(u * LN_CHANNELS) + i] * own), ln_own[u]);
            eta[(u * LN_CHANNELS) + i] = ln_round((ln_acc)(said[i] + own), LN_POINT, random[i]);
        }
#if LN_RANK > 0
        ln_carry(ln_inward, ln_drop, &eta[u * LN_CHANNELS], &noise->carried[u * LN_RANK]);
#endif
    }
}

void ln_init(ln_noise *noise)
{
    unsigned u;
    for (u = 0U; u < LN_UNITS; u++) {
        noise->random[u] = ln_seeds[u];
    }
}

void ln_draw(ln_noise *noise, ln_word eta[LN_NEURONS])
{
    ln_sweep(noise, 1, 0, eta, 0);
}

void ln_perturb(ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS])
{
    ln_sweep(noise, 1, h, eta, LN_READERS > 0);
}

#if LN_ROUNDING != 2
void ln_mean(ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS])
{
    ln_sweep(noise, 0, h, eta, LN_READERS > 0);
}
#endif

void ln_innovation(ln_noise *noise, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS], ln_word e[LN_NEURONS])
{
    const ln_word *read = ln_taken(noise, h, LN_READERS > 0);
    unsigned u;
    unsigned i;
#if LN_RANK > 0
    const ln_word *x = noise->carried;
    for (u = 0U; u < LN_UNITS; u++) {
        ln_carry(ln_inward, ln_drop, &d[u * LN_CHANNELS], &noise->carried[u * LN_RANK]);
    }
#else
    const ln_word *x = d;
#endif
    for (u = 0U; u < LN_UNITS; u++) {
        ln_acc said[LN_CHANNELS];
        ln_say(u, x, read, LN_READERS > 0, said);
        for (i = 0U; i < LN_CHANNELS; i++) {
            int64_t rest = ln_half_up(said[i], LN_POINT);
            rest = (rest < -LN_TOP) ? -LN_TOP : ((rest >= LN_TOP) ? (LN_TOP - 1) : rest);
            rest = (int64_t)d[(u * LN_CHANNELS) + i] - rest;
            rest = (rest < -LN_TOP) ? -LN_TOP : ((rest >= LN_TOP) ? (LN_TOP - 1) : rest);
            e[(u * LN_CHANNELS) + i] = (ln_word)rest;
        }
    }
}
