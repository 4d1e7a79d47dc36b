/* The self-test: does this device still draw its noise? Judged from its words, in integers. See localnoise.h.
 *
 * The arithmetic is stated in localnoise.hardware.audit.selftest. A test judges one unit from LN_TEST_DRAWS draws; what it
 * keeps is one struct without pointers. Draws may be those that the device makes anyway. What a sound device does lies in
 * tables of the test's own (ln_x_...): a copy, so that a bit that flips in the tables that are drawn from is seen, and one
 * that flips in the copy as well. All units are judged by one draw if there is a struct for each.
 */
#ifndef LOCALNOISE_AUDIT_H
#define LOCALNOISE_AUDIT_H

#include "localnoise.h"

#include "localnoise_expected.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a sum's place in `signed_sum` means: of noise against 1, against what was predicted, against the draw before; from
 * LN_TEST_LINKS on, against the words of each reader, each parent, and of the unit's own earlier channels. */
#define LN_TEST_OFFSET 0
#define LN_TEST_GAIN 1
#define LN_TEST_BEFORE 2
#define LN_TEST_LINKS 3
#define LN_TEST_PLACES (LN_TEST_LINKS + ((LN_READERS + LN_PARENTS + 1) * LN_CHANNELS))

typedef struct {
    uint64_t square[LN_CHANNELS];
    int32_t signed_sum[LN_CHANNELS * LN_TEST_PLACES];
    int32_t before[LN_CHANNELS];
    uint32_t unit;
    uint32_t draws;
} ln_unit_test;

/* The statistic of a unit that is furthest beyond its limit: of channel `channel`, `what` a place of `signed_sum`, or -1 for
 * the sum of squares, which is given in `square`; a signed sum in `sum`. */
typedef struct {
    uint64_t square;
    int32_t sum;
    int32_t what;
    uint32_t unit;
    uint32_t channel;
} ln_fault;

/* Begin the test of a unit. */
void ln_test_begin(ln_unit_test *test, uint32_t unit);

/* Take a draw that the device put out, in the order in which it did: eta, made for the activation words h, or, if h is 0,
 * by ln_draw. Returns 1 once there are LN_TEST_DRAWS; more are not counted. */
int ln_test_add(ln_unit_test *test, const ln_word eta[LN_NEURONS], const ln_word *h);

/* How many of the unit's statistics are beyond their limits: 0 of a sound one, -1 while draws are missing. The furthest goes
 * to `fault`, unless that is 0. */
int ln_test_judge(const ln_unit_test *test, ln_fault *fault);

/* Test all units, `count` at a time, by draws of `noise` at mean zero, which move its stream on: LN_TEST_DRAWS for every
 * `count` units. Returns how many units are off; the first one's fault goes to `fault`, unless that is 0. A device of which
 * all units are tested so, and which is sound, has none with a chance of at least 1 - LN_TEST_LEVEL. */
int ln_selftest(ln_noise *noise, ln_unit_test *tests, uint32_t count, ln_word eta[LN_NEURONS], ln_fault *fault);

#ifdef __cplusplus
}
#endif

#endif
