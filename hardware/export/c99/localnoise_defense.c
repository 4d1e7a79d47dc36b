/* Noise, or a repair, between the layers of a network. See localnoise_defense.h. */
#include "localnoise_defense.h"

#include "localnoise_integers.h"
#if LN_LATER > 0
#include "localnoise_later.h"
#endif

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

#if LN_REPAIRS
#if LN_LATER > 0
/* Run the layers up to each later repair, which is told what the one before has decided. Returns the layer to go on with. */
static unsigned ln_follow(ln_defense *defense, const ln_word *image, int said)
{
    ln_word *words = defense->network.words;
    unsigned layer = LN_MIX + 1U;
    unsigned k;
    unsigned i;
    for (k = 0U; k < LN_LATER; k++) {
        const ln_later_repair *own = &ln_later[k];
        ln_run(&defense->network, image, defense->logits, layer, own->layer);
        for (i = 0U; i < own->words; i++) {
            const int32_t word = (own->from < 0) ? (int32_t)defense->logits[i] : (int32_t)words[own->from + (int32_t)i];
            defense->read[i] = (int16_t)ln_clipped(word, -own->top, own->top - 1);
        }
        said = own->verdict(own->repair_as(said, defense->read, defense->eta));
        for (i = 0U; i < own->words; i++) {
            if (own->into < 0) {
                defense->logits[i] = (ln_logit)defense->eta[i];
            } else {
                words[own->into + (int32_t)i] = (ln_word)defense->eta[i];
            }
        }
        layer = own->layer + 1U;
    }
    return layer;
}
#endif

/* Repair, and run the layers behind. */
static void ln_join(ln_defense *defense, const ln_word *image)
{
    ln_word *out = &defense->network.words[LN_MIX_INTO];
    const int member = lnfield_repair(defense->read, defense->eta);
    unsigned layer = LN_MIX + 1U;
    unsigned i;
    for (i = 0U; i < LNFIELD_NEURONS; i++) {
        out[i] = (ln_word)defense->eta[i];
    }
#if LN_LATER > 0
    layer = ln_follow(defense, image, lnfield_verdict(member));
#else
    (void)member;
#endif
    ln_run(&defense->network, image, defense->logits, layer, LN_LAYERS);
}
#else
/* Draw, and run the layers behind. */
static void ln_join(ln_defense *defense, const ln_word *image)
{
    ln_word *out = &defense->network.words[LN_MIX_INTO];
    const ln_word *h = &defense->network.words[LN_MIX_FROM];
    unsigned i;
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
    ln_run(&defense->network, image, defense->logits, LN_MIX + 1U, LN_LAYERS);
}
#endif

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
        ln_join(defense, image);
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
