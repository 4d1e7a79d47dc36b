/* Runs the golden images with noise or repair, and compares every score. */
#include "localnoise_defense.h"
#include "localnoise_golden.h"

static ln_defense defense;
static int32_t scores[LN_OUTPUTS];

int ln_defense_selftest(void)
{
    int wrong = 0;
    unsigned t;
    unsigned k;
    ln_defense_init(&defense);
    for (t = 0U; t < LN_GOLDEN; t++) {
        int differs = 0;
        (void)ln_defend(&defense, &ln_golden_image[t * LN_INPUTS], scores);
        for (k = 0U; k < LN_OUTPUTS; k++) {
            differs |= (scores[k] != ln_golden_score[(t * LN_OUTPUTS) + k]);
        }
        wrong += differs;
    }
    return wrong;
}
