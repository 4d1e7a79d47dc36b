/* See localnoise_learn.h. A row of a unit: G of its readers, B of its parents, L of its earlier channels, the noise. */
#include "localnoise_learn.h"

#include "localnoise_random.h"
#include "localnoise_steps.h"

static int64_t ln_sign(int64_t value)
{
    return (value > 0) ? 1 : ((value < 0) ? -1 : 0);
}

static int64_t ln_step_of(int exponent, int64_t random)
{
    if (exponent >= 0) {
        return (int64_t)1 << exponent;
    }
    if (random < 0) {
        return 1;
    }
    exponent = (exponent < -31) ? 31 : -exponent;
    return ((random & (((int64_t)1 << exponent) - 1)) == 0) ? 1 : 0;
}

/* saturate(own - saturate(round half up((bias + W z) 2^-F))): masters are of 32 bits, or their means of 64 */
static int64_t ln_surprise(int64_t own, const int32_t *master, const int64_t *mean, int64_t bias, const int32_t *z,
                           unsigned read, unsigned count, unsigned u)
{
    const unsigned low = (master != 0) ? (unsigned)LN_EXTRA : (unsigned)(LN_EXTRA + 8);
    int64_t far = 0;
    int64_t near = 0;
    unsigned j;
    for (j = 0U; j < count; j++) {
        const int64_t value = (master != 0) ? (int64_t)master[j] : mean[j];
        const int64_t product = ln_clip(ln_half_up(value, low), -LN_MOST, LN_MOST) * z[j];
        far += (j < read) ? product : 0;
        near += (j < read) ? 0 : product;
    }
    near = ln_times(near, ln_lift[(3U * u) + 1U]) + ln_times(far, ln_lift[3U * u]) + bias;
    near = ln_clip(ln_half_up(near, ln_fraction[u]), -LN_EDGE, LN_EDGE - 1);
    return ln_clip(own - near, -LN_EDGE, LN_EDGE - 1);
}

static void ln_correct(int32_t *master, int64_t *mean, int64_t e, const int32_t *z, unsigned read, unsigned count,
                       unsigned u, int shift, int64_t step, int64_t random, unsigned settled)
{
    const int fine[2] = {(int)ln_fraction[u] - (int)ln_lift[3U * u] + LN_EXTRA,
                         (int)ln_fraction[u] - (int)ln_lift[(3U * u) + 1U] + LN_EXTRA};
    const int64_t most = ln_times(LN_MOST, (unsigned)LN_EXTRA);
    unsigned j;
    for (j = 0U; j < count; j++) {
        const int down = shift - fine[(j < read) ? 0 : 1];
        const int64_t move =
            (LN_RULE == 0) ? ln_shifted(e * z[j], down, random) : (ln_sign(e) * step * ln_sign(z[j]));
        master[j] = (int32_t)ln_clip((int64_t)master[j] + move, -most, most);
        mean[j] += ln_half_up(ln_times((int64_t)master[j], 8U) - mean[j], settled);
    }
}

void ln_learn_init(ln_learner *learner)
{
    unsigned j;
    for (j = 0U; j < LN_WEIGHTS; j++) {
        learner->master[j] = ln_master0[j];
        learner->mean[j] = ln_mean0[j];
    }
    for (j = 0U; j < LN_NEURONS; j++) {
        learner->bias[j] = ln_bias0[j];
        learner->mean_bias[j] = ln_mean_bias0[j];
        learner->power[j] = ln_power0[j];
    }
    for (j = 0U; j < LN_UNITS; j++) {
        learner->random[j] = ln_random0[j];
    }
    learner->seen = LN_SEEN0;
}

void ln_learn(ln_learner *learner, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS])
{
    const uint64_t now = learner->seen;
    const unsigned length = ln_length(now + 1U);
    const unsigned young = (length > 2U) ? (length - 2U) : 0U;
    const unsigned settled = (young < (unsigned)LN_MEMORY) ? young : (unsigned)LN_MEMORY;
    int rounds = 0;
    unsigned u;
    while (((now + (uint64_t)LN_HALVING) >> (rounds + 1)) >= (uint64_t)LN_HALVING) {
        rounds++;
    }
    for (u = 0U; u < LN_UNITS; u++) {
        ln_inputs in;
        int32_t e[LN_CHANNELS];
        uint32_t at = ln_first[u];
        int shift;
        unsigned i;
        ln_gather(&in, u, d, h);
        shift = (int)ln_length((uint64_t)ln_energy(in.z, in.count)) + LN_RATE;
        for (i = 0U; i < LN_CHANNELS; i++) {
            const unsigned n = (u * LN_CHANNELS) + i;
            int32_t *const master = &learner->master[at];
            int64_t *const mean = &learner->mean[at];
            int32_t *const own = &master[in.count];
            int64_t *const own_mean = &mean[in.count];
            const int shorter = (int)ln_length((uint64_t)ln_energy(e, i)) + LN_RATE;
            int64_t random = -1;
            int64_t step;
            int64_t error;
#if LN_STOCHASTIC
            random = (int64_t)ln_random(&learner->random[u]);
#endif
            step = ln_step_of(LN_EXTRA - LN_RATE - rounds, random);
            error = ln_surprise(d[n], master, 0, learner->bias[n], in.z, in.read, in.count, u);
            ln_correct(master, mean, error, in.z, in.read, in.count, u, shift, step, random, settled);
#if LN_READERS > 0
            {
                const int64_t edge = ln_times(LN_EDGE, ln_fraction[u]);
                const int64_t up = ln_sign(error) * ln_floor(ln_times(step, ln_fraction[u]), (unsigned)LN_EXTRA);
                const int64_t move = (LN_RULE == 0) ? ln_shifted(error, shift - (int)ln_fraction[u], random) : up;
                learner->bias[n] = ln_clip(learner->bias[n] + move, -edge, edge);
                learner->mean_bias[n] += ln_half_up(ln_times(learner->bias[n], 8U) - learner->mean_bias[n], settled);
            }
#endif
            e[i] = (int32_t)ln_surprise(d[n], 0, mean, ln_floor(learner->mean_bias[n], 8U), in.z, in.read, in.count, u);
            error = ln_surprise(e[i], own, 0, 0, e, 0U, i, u);
            ln_correct(own, own_mean, error, e, 0U, i, u, shorter, step, random, settled);
            error = ln_surprise(e[i], 0, own_mean, 0, e, 0U, i, u);
            learner->power[n] += ln_half_up(ln_times(error * error, 8U) - learner->power[n], settled);
            at += in.count + i + 1U;
        }
    }
    learner->seen++;
}

static uint64_t ln_root(uint64_t value)
{
    uint64_t bit = (uint64_t)1 << 62;
    uint64_t root = 0U;
    while (bit > value) {
        bit >>= 2;
    }
    while (bit > 0U) {
        if (value >= (root + bit)) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    return root;
}

/* What one loses by rounding joins the same channel's weight of the next neighbour: activations and parents apart. */
void ln_settle(const ln_learner *learner, ln_weight weights[LN_WEIGHTS], ln_acc bias[LN_NEURONS])
{
    const unsigned low = (unsigned)(LN_EXTRA + 8);
    unsigned u;
    for (u = 0U; u < LN_UNITS; u++) {
        const unsigned columns = ln_links(u) * LN_CHANNELS;
        const unsigned read = ln_readers_of(u) * LN_CHANNELS;
        const unsigned near = (unsigned)ln_fraction[u] - ln_lift[(3U * u) + 1U];
        const int own = (int)ln_fraction[u] - (int)ln_lift[(3U * u) + 2U];
        uint32_t at[LN_CHANNELS];
        uint32_t next = ln_first[u];
        unsigned i;
        for (i = 0U; i < LN_CHANNELS; i++) {
            const unsigned n = (u * LN_CHANNELS) + i;
            const int down = 16 + 4 + 4 - own;
            int64_t lost[LN_CHANNELS];
            int64_t own_bias = learner->mean_bias[n];
            int64_t total = 0;
            uint64_t product = ln_root((uint64_t)ln_clip(learner->power[n], 0, INT64_MAX / 512) << 8) * LN_RECIPROCAL;
            unsigned j;
            unsigned k;
            for (j = 0U; j < LN_CHANNELS; j++) {
                lost[j] = 0;
            }
            at[i] = next;
            next += columns + i + 1U;
            for (j = 0U; j < i; j++) { /* L first: the other weights need it */
                const int64_t rounded = ln_half_up(learner->mean[at[i] + columns + j], low);
                weights[at[i] + columns + j] = (ln_weight)ln_clip(rounded, -LN_MOST, LN_MOST);
            }
            for (k = 0U; k < columns; k++) {
                int64_t wanted = 0;
                int64_t whole;
                for (j = 0U; j < i; j++) {
                    wanted += (int64_t)weights[at[i] + columns + j] * learner->mean[at[j] + k];
                }
                if (k == read) {
                    for (j = 0U; j < LN_CHANNELS; j++) {
                        lost[j] = 0;
                    }
                }
                wanted = (learner->mean[at[i] + k] - ln_floor(wanted, near)) + lost[k % LN_CHANNELS];
                whole = ln_clip(ln_half_up(wanted, low), -LN_MOST, LN_MOST);
                lost[k % LN_CHANNELS] = wanted - ln_times(whole, low);
                weights[at[i] + k] = (ln_weight)whole;
            }
            for (j = 0U; j < i; j++) {
                total += (int64_t)weights[at[i] + columns + j] * learner->mean_bias[(u * LN_CHANNELS) + j];
            }
            own_bias -= ln_floor(total, near);
            bias[n] = (ln_acc)ln_floor(own_bias, 8U);
            if (down > 0) {
                product = (product + ((uint64_t)1 << (down - 1))) >> down;
            } else {
                product <<= -down;
            }
            product = (product > (uint64_t)LN_MOST) ? (uint64_t)LN_MOST : product;
            weights[at[i] + columns + i] = (ln_weight)((product < 1U) ? 1U : product);
        }
    }
}
