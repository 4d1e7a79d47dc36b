/* Calls a network's functions, for localnoise verify. Commands on stdin, one byte each:
 *   c image       classify: image words, int16; the class, int16, and the logits, int16, come back
 *   t             the self-test: how many golden images differ, int16, comes back */
#include "localnoise_network.h"

#include <stdio.h>

static ln_memory memory;
static int16_t given[LN_INPUTS];
static ln_word image[LN_INPUTS];
static ln_logit logits[LN_OUTPUTS];

int main(void)
{
    int command;
    while ((command = getchar()) != EOF) {
        int16_t found;
        unsigned k;
        if (command == 'c') {
            if (fread(given, sizeof given, 1U, stdin) != 1U) {
                return 1;
            }
            for (k = 0U; k < LN_INPUTS; k++) {
                image[k] = (ln_word)given[k];
            }
            found = (int16_t)ln_classify(&memory, image, logits);
        } else if (command == 't') {
            found = (int16_t)ln_selftest();
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
