/* Learning on the chip: each unit predicts its own displacement word, and corrects its weights. See localnoise.h.
 *
 * The arithmetic is stated in localnoise.hardware.learning. A learner is one struct without pointers: store it, and
 * learning goes on from it after a power cycle.
 */
#ifndef LOCALNOISE_LEARN_H
#define LOCALNOISE_LEARN_H

#include "localnoise.h"
#include "localnoise_learner.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int64_t mean[LN_WEIGHTS]; /* running means of the masters, 8 more fraction bits; as packed as the weights */
    int64_t bias[LN_NEURONS];
    int64_t mean_bias[LN_NEURONS];
    int64_t power[LN_NEURONS]; /* running mean of the squared innovation, 8 fraction bits */
    int32_t master[LN_WEIGHTS];
    uint32_t random[LN_UNITS];
    uint32_t seen;
} ln_learner;

/* Begin from the state that the tables hold: that of the grid when it was exported. */
void ln_learn_init(ln_learner *learner);

/* Learn from one presentation: displacement words d and, with readers, activation words h. */
void ln_learn(ln_learner *learner, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS]);

/* The weights and biases that the learner stands for; give them to ln_use. */
void ln_settle(const ln_learner *learner, ln_weight weights[LN_WEIGHTS], ln_acc bias[LN_NEURONS]);

#ifdef __cplusplus
}
#endif

#endif
