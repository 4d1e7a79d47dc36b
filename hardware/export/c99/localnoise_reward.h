/* Learning from rewards: each unit follows its own noise, by what the draw that held it was worth. See localnoise.h.
 *
 * The arithmetic is stated in localnoise.hardware.rewarding. The turns of learning:
 *
 *     1  some draws, each of ln_draw or ln_perturb, and of each a reward by whoever uses it; keep the draws, or draw them
 *        again by ln_seed
 *     2  for each draw ln_reward, with told = 2^LN_TOLD_FRACTION (reward - mean of the others) / standard deviation of the
 *        rewards, rounded to the nearest; beyond +-LN_TOLD_LIMIT it counts as that
 *     3  ln_settle and ln_use: the weights that have been learned draw from now on
 *
 * Between two calls of ln_use all draws are of the same weights, which is what ln_reward takes them for. A learner is one
 * struct without pointers: store it, with the weights in use, and learning goes on from it after a power cycle.
 */
#ifndef LOCALNOISE_REWARD_H
#define LOCALNOISE_REWARD_H

#include "localnoise.h"
#include "localnoise_learner.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int32_t master[LN_MASTERS]; /* of the weights of links, LN_EXTRA more fraction bits, row by row */
    uint32_t random[LN_UNITS];
    ln_word rest[LN_NEURONS]; /* the private noise of the draw that was told of last */
} ln_learner;

/* Begin from the weights in use; or, with LN_GOING_ON, go on from what the chip had learned when it was exported. */
void ln_learn_init(ln_learner *learner, const ln_noise *noise);

/* Learn what a draw d of the weights in use, made for the activation words h where units read some, was worth. */
void ln_reward(ln_learner *learner, const ln_noise *noise, const ln_word d[LN_NEURONS], const ln_word h[LN_NEURONS],
               int32_t told);

/* The weights that the learner stands for, beside what does not learn; give them to ln_use, with the biases in use. They
 * may lie where the weights in use lie. */
void ln_settle(const ln_learner *learner, const ln_noise *noise, ln_weight weights[LN_WEIGHTS]);

#ifdef __cplusplus
}
#endif

#endif
