/* Runs the golden images, and compares every logit. */
#include "localnoise_golden.h"
#include "localnoise_network.h"

static ln_memory memory;
static ln_logit logits[LN_OUTPUTS];

int ln_selftest(void)
{
    int wrong = 0;
    unsigned t;
    unsigned k;
    for (t = 0U; t < LN_GOLDEN; t++) {
        int differs = 0;
        (void)ln_classify(&memory, &ln_golden_image[t * LN_INPUTS], logits);
        for (k = 0U; k < LN_OUTPUTS; k++) {
            differs |= (logits[k] != ln_golden_logit[(t * LN_OUTPUTS) + k]);
        }
        wrong += differs;
    }
    return wrong;
}
