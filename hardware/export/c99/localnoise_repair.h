/* localnoise: undoes what has happened to a layer's activation, in integers, to the bit as the emulator does.
 *
 * Freestanding C99: no library, no allocation, no floating point, no recursion, no static state that changes. One repair's
 * tables are declared in localnoise_tables.h and held in localnoise_tables.c; compile every .c file of the folder once.
 * The arithmetic is stated in localnoise.hardware.repair.
 *
 * Words lie unit by unit: word[u * LN_CHANNELS + c] of unit u in row-major order and channel c. An activation x becomes
 *
 *     h = floor(x * 2^LN_ACTIVATION_SCALE + 1/2),  clipped to -2^(LN_ACTIVATION_BITS - 1) .. 2^(LN_ACTIVATION_BITS - 1) - 1
 *
 * and so are repaired activations. The clip is a condition: within it no accumulator overflows. LN_ACTIVATION_SCALE may
 * be negative.
 *
 * Members 0 .. LN_MEMBERS - 1 are what may have happened; 0 is nothing, and ln_source[member] says to which source a member
 * belongs, in the order in which the manifest names them. -1 is an activation whose repair is not expected to pay: it is left
 * as it is, in later layers, too.
 */
#ifndef LOCALNOISE_REPAIR_H
#define LOCALNOISE_REPAIR_H

#include <stdint.h>

#include "localnoise_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LN_NEURONS (LN_UNITS * LN_CHANNELS)

typedef int16_t ln_word;

/* Repair h: the units decide what has happened, and undo it. Returns the member; `fixed` must not be h. */
int ln_repair(const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS]);

/* As ln_repair, where an earlier layer's repair says what has happened: the index of its source, or -1, as ln_verdict gives it. Of
 * several members of a source the likeliest repairs; between sources that this layer tells apart better it decides anew. */
int ln_repair_as(int source, const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS]);

/* What a later layer's ln_repair_as is told of the member that an earlier layer's repair returned. */
int ln_verdict(int member);

/* The surprise of a member's units: the sum of squared innovations of h. `scratch` is overwritten, and must not be h. */
uint64_t ln_squares(int member, const ln_word h[LN_NEURONS], ln_word scratch[LN_NEURONS]);

/* The first half: which member has happened to h, or -1. `scratch` is overwritten, and must not be h. */
int ln_decide(const ln_word h[LN_NEURONS], ln_word scratch[LN_NEURONS]);

/* The second half. Where a member has no way back, as 0 and -1 have none, `fixed` becomes h. */
void ln_undo(int member, const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS]);

#ifdef LN_CHECKED
/* For localnoise verify alone, which defines LN_CHECKED: what ln_decide and ln_repair_as compare. Of each member its score, how far
 * its sum of squares lies above the least and below the largest of its range, its source, and its score of a second look, if there
 * is one; then of each source its worth, if that is asked. `scratch` is overwritten, and must not be h. */
#define LN_ROW (4 + LN_AMONG)
#define LN_NUMBERS ((LN_MEMBERS * LN_ROW) + (LN_WORTHS * LN_SOURCES))
void ln_numbers(const ln_word h[LN_NEURONS], ln_word scratch[LN_NEURONS], int64_t numbers[LN_NUMBERS]);
#endif

#ifdef __cplusplus
}
#endif

#endif
