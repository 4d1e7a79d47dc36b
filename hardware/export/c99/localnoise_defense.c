/* Noise, or a repair, between the layers of a network. See localnoise_defense.h. */
#include "localnoise_defense.h"

#include "localnoise_integers.h"

void ln_defense_init(ln_defense *defense)
{
#if LN_REPAIRS
    defense->eta[0] = 0;
#else
    lnfield_init(&defense->noise);
#endif
}

#if !LN_REPAIRS
void ln_defense_seed(ln_defense *defense, uint64_t seed)
{
    lnfield_seed(&defense->noise, seed);
}
#endif

#if LN_READS
/* The network's words as the units read them: at their scale, in their bits. */
static void ln_read(ln_defense *defense)
{
    const ln_word *h = &defense->network.words[LN_MIX_FROM];
    unsigned i;
    for (i = 0U; i < LNFIELD_NEURONS; i++) {
        const int32_t word = ln_rounded((int32_t)h[i] * LN_READ_TIMES, LN_READ_FRACTION);
        defense->read[i] = (int16_t)ln_clipped(word, -LN_READ_TOP, LN_READ_TOP - 1);
    }
}
#endif

static void ln_join(ln_defense *defense)
{
    ln_word *out = &defense->network.words[LN_MIX_INTO];
    unsigned i;
#if LN_REPAIRS
    (void)lnfield_repair(defense->read, defense->eta);
    for (i = 0U; i < LNFIELD_NEURONS; i++) {
        out[i] = (ln_word)defense->eta[i];
    }
#else
    const ln_word *h = &defense->network.words[LN_MIX_FROM];
#if LN_READS
    lnfield_perturb(&defense->noise, defense->read, defense->eta);
#else
    lnfield_draw(&defense->noise, defense->eta);
#endif
    for (i = 0U; i < LNFIELD_NEURONS; i++) {
        const int32_t noise = (int32_t)defense->eta[i] * ((int32_t)1 << ln_noise_lift[i / LNFIELD_CHANNELS]);
        const int32_t word = ln_rounded(((int32_t)h[i] * LN_MIX_TIMES) + noise, LN_MIX_FRACTION);
        out[i] = (ln_word)ln_clipped(word, LN_MIX_LOW, LN_MIX_HIGH);
    }
#endif
}

int ln_defend(ln_defense *defense, const ln_word image[LN_INPUTS], int32_t scores[LN_OUTPUTS])
{
    int best = 0;
    int k;
    unsigned draw;
    for (k = 0; k < LN_OUTPUTS; k++) {
        scores[k] = 0;
    }
    ln_run(&defense->network, image, defense->logits, 0U, LN_MIX);
#if LN_READS
    ln_read(defense);
#endif
    for (draw = 0U; draw < LN_DRAWS; draw++) {
        ln_join(defense);
        ln_run(&defense->network, image, defense->logits, LN_MIX + 1U, LN_LAYERS);
#if LN_VOTE
        scores[ln_largest(defense->logits)]++;
#else
        for (k = 0; k < LN_OUTPUTS; k++) {
            scores[k] += (int32_t)defense->logits[k];
        }
#endif
    }
    for (k = 1; k < LN_OUTPUTS; k++) {
        if (scores[k] > scores[best]) {
            best = k;
        }
    }
    return best;
}
