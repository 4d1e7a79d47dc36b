/* See localnoise_reward.h. A row of a unit: G of its readers, B of its parents; L and the noise, which stay, follow. */
#include "localnoise_reward.h"

#include "localnoise_random.h"
#include "localnoise_steps.h"

void ln_learn_init(ln_learner *learner, const ln_noise *noise)
{
    unsigned u;
#if LN_GOING_ON
    uint32_t k;
    (void)noise;
    for (k = 0U; k < LN_MASTERS; k++) {
        learner->master[k] = ln_master0[k];
    }
#else
    uint32_t next = 0U;
    for (u = 0U; u < LN_UNITS; u++) {
        const unsigned columns = ln_links(u) * LN_CHANNELS;
        const ln_weight *weight = &noise->weights[ln_first[u]];
        unsigned i;
        unsigned j;
        for (i = 0U; i < LN_CHANNELS; i++) {
            for (j = 0U; j < columns; j++) {
                learner->master[next++] = (int32_t)ln_times(weight[j], (unsigned)LN_EXTRA);
            }
            weight += columns + i + 1U;
        }
    }
#endif
    for (u = 0U; u < LN_UNITS; u++) {
        learner->random[u] = ln_random0[u];
    }
}

/* Move masters by worth z 2^-down, rounded as ln_shifted rounds. */
static void ln_follow(int32_t *master, const int32_t *z, unsigned count, int32_t worth, int down, int64_t random)
{
    const int64_t most = ln_times(LN_MOST, (unsigned)LN_EXTRA);
    const unsigned bits = ln_lost(down);
    const unsigned up = (down < 0) ? (unsigned)(-down) : 0U;
    const int64_t carry = (bits > 0U) ? ln_carry(bits, random) : 0;
    unsigned j;
    for (j = 0U; j < count; j++) {
        const int64_t move = ln_floor(ln_times((int64_t)worth * z[j], up) + carry, bits);
        master[j] = (int32_t)ln_clip(master[j] + move, -most, most);
    }
}

void ln_reward(ln_learner *learner, const ln_noise *noise, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS],
               int32_t told)
{
    const int32_t heard = (int32_t)ln_clip(told, -LN_TOLD_LIMIT, LN_TOLD_LIMIT);
    int32_t *master = learner->master;
    unsigned u;
    ln_innovation(noise, d, h, learner->rest);
    for (u = 0U; u < LN_UNITS; u++) {
        const int fine[2] = {(int)ln_fraction[u] - (int)ln_lift[3U * u] + LN_EXTRA,
                             (int)ln_fraction[u] - (int)ln_lift[(3U * u) + 1U] + LN_EXTRA};
        ln_inputs in;
        int shift;
        unsigned i;
        ln_gather(&in, u, d, h);
        shift = (int)ln_length((uint64_t)ln_energy(in.z, in.count)) + LN_RATE + LN_TOLD_FRACTION;
        for (i = 0U; i < LN_CHANNELS; i++) {
            const int32_t worth = heard * learner->rest[(u * LN_CHANNELS) + i];
            int64_t random = -1;
#if LN_STOCHASTIC
            random = (int64_t)ln_random(&learner->random[u]);
#endif
            ln_follow(master, in.z, in.read, worth, shift - fine[0], random);
            ln_follow(&master[in.read], &in.z[in.read], in.count - in.read, worth, shift - fine[1], random);
            master += in.count;
        }
    }
}

/* What one loses by rounding joins the same channel's weight of the next neighbour: activations and parents apart. */
void ln_settle(const ln_learner *learner, const ln_noise *noise, ln_weight weights[LN_WEIGHTS])
{
    const int32_t *master = learner->master;
    unsigned u;
    for (u = 0U; u < LN_UNITS; u++) {
        const unsigned columns = ln_links(u) * LN_CHANNELS;
        const unsigned read = ln_readers_of(u) * LN_CHANNELS;
        uint32_t at = ln_first[u];
        unsigned i;
        unsigned k;
        for (i = 0U; i < LN_CHANNELS; i++) {
            int64_t lost[LN_CHANNELS];
            unsigned c;
            for (c = 0U; c < LN_CHANNELS; c++) {
                lost[c] = 0;
            }
            for (k = 0U; k < columns; k++) {
                int64_t wanted;
                int64_t whole;
                for (c = 0U; (c < LN_CHANNELS) && (k == read); c++) {
                    lost[c] = 0;
                }
                wanted = master[k] + lost[k % LN_CHANNELS];
                whole = ln_clip(ln_half_up(wanted, (unsigned)LN_EXTRA), -LN_MOST, LN_MOST);
                lost[k % LN_CHANNELS] = wanted - ln_times(whole, (unsigned)LN_EXTRA);
                weights[at + k] = (ln_weight)whole;
            }
            for (k = columns; k <= (columns + i); k++) {
                weights[at + k] = noise->weights[at + k];
            }
            master += columns;
            at += columns + i + 1U;
        }
    }
}
