/* Calls a network's functions, for localnoise verify. Commands on stdin, one byte each:
 *   c image       classify: image words, int16; the class, int16, and the logits, int16, come back
 *   t             the self-test: how many golden images differ, int16, comes back
 *   i             with a defense: begin its stream
 *   s seed        with a defense that draws: begin the stream of another seed, uint64
 *   d image       with a defense: the class, int16, and the scores, int32, come back
 * DRIVE_DEFENDS is 1 where there is one. */
#include "localnoise_network.h"
#if DRIVE_DEFENDS
#include "localnoise_defense.h"
#endif

#include <stdio.h>

static ln_memory memory;
static int16_t given[LN_INPUTS];
static ln_word image[LN_INPUTS];
static ln_logit logits[LN_OUTPUTS];

#if DRIVE_DEFENDS
static ln_defense defense;
static int32_t scores[LN_OUTPUTS];
#endif

static int taken(void)
{
    unsigned k;
    if (fread(given, sizeof given, 1U, stdin) != 1U) {
        return 0;
    }
    for (k = 0U; k < LN_INPUTS; k++) {
        image[k] = (ln_word)given[k];
    }
    return 1;
}

int main(void)
{
    int command;
    while ((command = getchar()) != EOF) {
        int16_t found;
#if DRIVE_DEFENDS
        if (command == 'i') {
            ln_defense_init(&defense);
            continue;
        }
#if !LN_REPAIRS
        if (command == 's') {
            uint64_t seed;
            if (fread(&seed, sizeof seed, 1U, stdin) != 1U) {
                return 1;
            }
            ln_defense_seed(&defense, seed);
            continue;
        }
#endif
        if (command == 'd') {
            if (!taken()) {
                return 1;
            }
            found = (int16_t)ln_defend(&defense, image, scores);
            (void)fwrite(&found, sizeof found, 1U, stdout);
            (void)fwrite(scores, sizeof scores, 1U, stdout);
            (void)fflush(stdout);
            continue;
        }
#endif
        if (command == 'c') {
            if (!taken()) {
                return 1;
            }
            found = (int16_t)ln_classify(&memory, image, logits);
        } else if (command == 't') {
#if DRIVE_DEFENDS
            found = (int16_t)(ln_selftest() + ln_defense_selftest());
#else
            found = (int16_t)ln_selftest();
#endif
        } else {
            return 1;
        }
        (void)fwrite(&found, sizeof found, 1U, stdout);
        if (command == 'c') {
            (void)fwrite(logits, sizeof logits, 1U, stdout);
        }
        (void)fflush(stdout);
    }
    return 0;
}
