/* localnoise: a network with the noise or the repair of one of its layers, to the bit as the emulator runs both.
 *
 * The layers up to that one run once an image, those behind it LN_DRAWS times, each time with a new draw of noise. The scores
 * of an image are the sums of its draws' logits, or (LN_VOTE) how many draws voted for each class. A repair runs once; LN_LATER
 * repairs of later layers follow it.
 *
 * THE SAME NOISE AT EVERY START: ln_defense_init begins the stream that was exported. Where a device must not draw the same
 * after each reset, call ln_defense_seed after it with a number that is new each time: a count of resets, or entropy.
 */
#ifndef LOCALNOISE_DEFENSE_H
#define LOCALNOISE_DEFENSE_H

#include "localnoise_network.h"

#include "lnfield.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    ln_memory network;
#if !LN_REPAIRS
    lnfield_noise noise;
#endif
    int16_t read[LN_READS ? LN_WIDEST : 1];
    int16_t eta[LN_WIDEST];
    ln_logit logits[LN_OUTPUTS];
} ln_defense;

/* Begin the exported stream. */
void ln_defense_init(ln_defense *defense);

#if !LN_REPAIRS
/* Begin the stream of another seed. */
void ln_defense_seed(ln_defense *defense, uint64_t seed);
#endif

/* Run an image: its scores, and the class of the largest one, of equals the first. */
int ln_defend(ln_defense *defense, const ln_word image[LN_INPUTS], int32_t scores[LN_OUTPUTS]);

/* Run the images of localnoise_golden.c from the start of the stream: how many have other scores than the emulator's. */
int ln_defense_selftest(void);

#ifdef __cplusplus
}
#endif

#endif
