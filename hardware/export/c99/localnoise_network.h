/* localnoise: a whole network in integers, to the bit as the emulator runs it.
 *
 * Freestanding C99: no library, no allocation, no floating point, no recursion. Weights and tables lie in flash
 * (localnoise_tables.c); what changes lies in the caller's ln_memory, whose size was planned at export. Compile every .c file of
 * the folder once; localnoise_main.c and localnoise_selftest.c only if their main is wanted. The arithmetic is stated in
 * localnoise.hardware.network.layers.
 *
 * Words lie place by place: word[(y * width + x) * LN_INPUT_CHANNELS + c]. An input x becomes
 *
 *     word = floor(x * 2^LN_INPUT_SCALE + 1/2),  clipped to -2^(LN_INPUT_BITS - 1) .. 2^(LN_INPUT_BITS - 1) - 1
 *
 * with zero point 0. The clip is a condition: within it no accumulator overflows. A logit has the value
 * logit * 2^-LN_OUTPUT_SCALE. Scales may be negative.
 */
#ifndef LOCALNOISE_NETWORK_H
#define LOCALNOISE_NETWORK_H

#include <stdint.h>

#include "localnoise_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values between layers, planned at export; and what one place of a convolution multiplies. */
typedef struct {
    ln_word words[LN_MEMORY];
    ln_word patch[LN_PATCH];
} ln_memory;

/* Run the network on an image: its logits, and the class of the largest one, of equals the first. */
int ln_classify(ln_memory *memory, const ln_word image[LN_INPUTS], ln_logit logits[LN_OUTPUTS]);

/* Run the layers first .. last - 1. ln_classify runs all: 0 .. LN_LAYERS. */
void ln_run(ln_memory *memory, const ln_word image[LN_INPUTS], ln_logit logits[LN_OUTPUTS], unsigned first, unsigned last);

/* The class of the largest logit, of equals the first. */
int ln_largest(const ln_logit logits[LN_OUTPUTS]);

/* Run the images of localnoise_golden.c: how many have another logit than the emulator has. 0: all is well. */
int ln_selftest(void);

#ifdef __cplusplus
}
#endif

#endif
