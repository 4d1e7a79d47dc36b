/* The runtime: one grid, its tables in flash. See localnoise.h. */
#include "localnoise.h"

#include "localnoise_arithmetic.h"

/* bias + G h + B x_P + L x_u of unit u and channel i, at the accumulator's fraction; *row is left at the noise's weight. */
static ln_acc ln_predict(unsigned u, unsigned i, const ln_weight **row, const ln_acc *biases, const uint8_t *lift,
                         const ln_word *h, const ln_word *x, int signal)
{
    const ln_weight *w = *row;
    ln_acc read = 0;
    ln_acc near = 0;
    ln_acc bias = 0;
    unsigned k;
    unsigned c;
#if LN_READERS > 0
    for (k = 0U; k < LN_READERS; k++) {
        const ln_index from = ln_readers[(u * LN_READERS) + k];
        if (from != LN_NO_UNIT) {
            for (c = 0U; (c < LN_CHANNELS) && (signal != 0); c++) {
                read = (ln_acc)(read + ((ln_acc)w[c] * (ln_acc)h[((unsigned)from * LN_CHANNELS) + c]));
            }
            w += LN_CHANNELS;
        }
    }
    bias = (signal != 0) ? biases[(u * LN_CHANNELS) + i] : 0;
#else
    (void)biases;
    (void)h;
    (void)signal;
#endif
    for (k = 0U; k < LN_PARENTS; k++) {
        const ln_index from = ln_parents[(u * LN_PARENTS) + k];
        if (from == LN_NO_UNIT) {
            break; /* missing parents come last */
        }
        for (c = 0U; c < LN_CHANNELS; c++) {
            near = (ln_acc)(near + ((ln_acc)w[c] * (ln_acc)x[((unsigned)from * LN_CHANNELS) + c]));
        }
        w += LN_CHANNELS;
    }
    for (c = 0U; c < i; c++) {
        near = (ln_acc)(near + ((ln_acc)w[c] * (ln_acc)x[(u * LN_CHANNELS) + c]));
    }
    *row = w + i;
    return (ln_acc)(bias + ln_up(read, lift[3U * u]) + ln_up(near, lift[(3U * u) + 1U]));
}

#if LN_PACKED
static ln_weight ln_nibble(unsigned bits)
{
    return (ln_weight)((int)((bits & 15U) ^ 8U) - 8);
}

/* Two weights lie in a byte, the first in its low half. Row i of a unit: `count` of them from place `at` on. */
static void ln_unpack(const ln_stored *weights, uint32_t at, unsigned count, ln_weight row[LN_ROW])
{
    const ln_stored *from = &weights[at >> 1];
    unsigned k = 0U;
    if ((at & 1U) != 0U) {
        row[0] = ln_nibble((unsigned)*from >> 4);
        from++;
        k = 1U;
    }
    while ((k + 1U) < count) {
        const unsigned both = *from;
        row[k] = ln_nibble(both);
        row[k + 1U] = ln_nibble(both >> 4);
        from++;
        k += 2U;
    }
    if (k < count) {
        row[k] = ln_nibble(*from);
    }
}

/* Weights of a unit's links in a row. */
static unsigned ln_linked(unsigned u)
{
    unsigned count = 0U;
    unsigned k;
#if LN_READERS > 0
    for (k = 0U; k < LN_READERS; k++) {
        count += (ln_readers[(u * LN_READERS) + k] != LN_NO_UNIT) ? LN_CHANNELS : 0U;
    }
#endif
    for (k = 0U; k < LN_PARENTS; k++) {
        count += (ln_parents[(u * LN_PARENTS) + k] != LN_NO_UNIT) ? LN_CHANNELS : 0U;
    }
    return count;
}
#endif

static void ln_sweep(const ln_noise *noise, uint32_t *state, const ln_word *h, ln_word *eta, int signal)
{
#ifdef LN_MEMBERS
    const uint8_t *lift = noise->lift;
    const uint8_t *fraction = noise->fraction;
#else
    const uint8_t *lift = ln_lift;
    const uint8_t *fraction = ln_fraction;
#endif
    unsigned v;
    for (v = 0U; v < LN_UNITS; v++) {
        const unsigned u = ln_order[v];
#if LN_PACKED
        const unsigned linked = ln_linked(u);
        uint32_t at = ln_first[u];
        ln_weight held[LN_ROW];
        const ln_weight *row;
#else
        const ln_weight *row = &noise->weights[ln_first[u]];
#endif
        int32_t xi[LN_CHANNELS];
        uint32_t random[LN_CHANNELS];
        unsigned i;
        for (i = 0U; i < LN_CHANNELS; i++) {
            xi[i] = (state != 0) ? ln_normal(&state[u]) : 0;
            random[i] = 0U;
        }
#if LN_ROUNDING == 2
        for (i = 0U; (i < LN_CHANNELS) && (state != 0); i++) {
            random[i] = ln_random(&state[u]);
        }
#endif
        for (i = 0U; i < LN_CHANNELS; i++) {
            ln_acc acc;
#if LN_PACKED
            ln_unpack(noise->weights, at, linked + i + 1U, held);
            at += linked + i + 1U;
            row = held;
#endif
            acc = ln_predict(u, i, &row, noise->bias, lift, h, eta, signal);
            acc = (ln_acc)(acc + ln_up((ln_acc)((ln_acc)*row * (ln_acc)xi[i]), lift[(3U * u) + 2U]));
            row++;
            eta[(u * LN_CHANNELS) + i] = ln_round(acc, fraction[u], random[i]);
        }
    }
}

void ln_init(ln_noise *noise)
{
    unsigned u;
    for (u = 0U; u < LN_UNITS; u++) {
        noise->random[u] = ln_seeds[u];
    }
    noise->weights = ln_weights;
    noise->bias = ln_bias;
#ifdef LN_MEMBERS
    noise->lift = ln_lift;
    noise->fraction = ln_fraction;
    noise->turn = LN_TURN;
#endif
}

#ifdef LN_MEMBERS
int ln_turn(const ln_noise *noise)
{
    const uint32_t drawn = (uint32_t)(ln_scramble(noise->turn) >> 32);
    int member = -1;
    int k;
    for (k = 0; (k < LN_MEMBERS) && (drawn >= ln_turns[k]); k++) {
        member = k;
    }
    return member;
}

/* The next draw by the member whose turn it is. Where it is nobody's, all generators move on by one draw all the same. */
static void ln_next(ln_noise *noise, const ln_word *h, ln_word *eta, int signal)
{
    const int turn = ln_turn(noise);
    uint32_t i;
    noise->turn += 1U;
    if (turn < 0) {
        for (i = 0U; i < LN_NEURONS; i++) {
            (void)ln_normal(&noise->random[i / LN_CHANNELS]);
            eta[i] = 0;
        }
#if LN_ROUNDING == 2
        for (i = 0U; i < LN_NEURONS; i++) {
            (void)ln_random(&noise->random[i / LN_CHANNELS]);
        }
#endif
        return;
    }
    noise->weights = &ln_weights[(uint32_t)turn * LN_WEIGHTS];
#if LN_READERS > 0
    noise->bias = &ln_bias[(uint32_t)turn * LN_NEURONS];
#endif
    noise->lift = &ln_lift[(uint32_t)turn * 3U * LN_UNITS];
    noise->fraction = &ln_fraction[(uint32_t)turn * LN_UNITS];
    ln_sweep(noise, noise->random, h, eta, signal);
}

void ln_draw(ln_noise *noise, ln_word eta[LN_NEURONS])
{
    ln_next(noise, 0, eta, 0);
}

void ln_perturb(ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS])
{
    ln_next(noise, h, eta, LN_READERS > 0);
}
#else
#if !LN_PACKED
void ln_use(ln_noise *noise, const ln_weight weights[LN_WEIGHTS], const ln_acc bias[LN_NEURONS])
{
    noise->weights = weights;
    noise->bias = bias;
}
#endif

void ln_draw(ln_noise *noise, ln_word eta[LN_NEURONS])
{
    ln_sweep(noise, noise->random, 0, eta, 0);
}

void ln_perturb(ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS])
{
    ln_sweep(noise, noise->random, h, eta, LN_READERS > 0);
}

#if LN_ROUNDING != 2
void ln_mean(const ln_noise *noise, const ln_word h[LN_NEURONS], ln_word eta[LN_NEURONS])
{
    ln_sweep(noise, 0, h, eta, LN_READERS > 0);
}
#endif

void ln_innovation(const ln_noise *noise, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS],
                   ln_word e[LN_NEURONS])
{
    unsigned u;
    for (u = 0U; u < LN_UNITS; u++) {
#if LN_PACKED
        const unsigned linked = ln_linked(u);
        uint32_t at = ln_first[u];
        ln_weight held[LN_ROW];
        const ln_weight *row;
#else
        const ln_weight *row = &noise->weights[ln_first[u]];
#endif
        unsigned i;
        for (i = 0U; i < LN_CHANNELS; i++) {
            ln_acc acc;
#if LN_PACKED
            ln_unpack(noise->weights, at, linked + i + 1U, held);
            at += linked + i + 1U;
            row = held;
#endif
            acc = ln_predict(u, i, &row, noise->bias, ln_lift, h, d, LN_READERS > 0);
            const unsigned bits = ln_fraction[u];
            const ln_acc half = (bits > 0U) ? (ln_acc)((ln_acc)1 << (bits - 1U)) : 0;
            int64_t rest = ln_down((ln_acc)(acc + half), bits);
            rest = (rest < -LN_TOP) ? -LN_TOP : ((rest >= LN_TOP) ? (LN_TOP - 1) : rest);
            rest = (int64_t)d[(u * LN_CHANNELS) + i] - rest;
            rest = (rest < -LN_TOP) ? -LN_TOP : ((rest >= LN_TOP) ? (LN_TOP - 1) : rest);
            e[(u * LN_CHANNELS) + i] = (ln_word)rest;
            row++;
        }
    }
}
#endif
