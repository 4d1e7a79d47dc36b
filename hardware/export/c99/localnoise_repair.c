/* The runtime of a repair: its tables in flash. See localnoise_repair.h. */
#include "localnoise_repair.h"

#define LN_TOP ((ln_acc)1 << (LN_WORD_BITS - 1))
#define LN_HIGHEST ((ln_acc)1 << (LN_ACTIVATION_BITS - 1))

static ln_acc ln_up(ln_acc value, int bits)
{
    return (bits > 0) ? (ln_acc)(value * (ln_acc)((ln_acc)1 << bits)) : value;
}

/* floor(value / 2^bits + 1/2), bits > 0: the shift of a negative number is the compiler's choice, this is not. */
static ln_acc ln_rounded(ln_acc value, int bits)
{
    if (bits > 0) {
        value = (ln_acc)(value + (ln_acc)((ln_acc)1 << (bits - 1)));
        value = (value >= 0) ? (ln_acc)(value >> bits) : (ln_acc)(~((~value) >> bits));
    }
    return value;
}

static ln_acc ln_clipped(ln_acc value, ln_acc top)
{
    return (value < -top) ? -top : ((value >= top) ? (ln_acc)(top - 1) : value);
}

uint64_t ln_squares(int member, const ln_word h[LN_NEURONS], ln_word d[LN_NEURONS])
{
    const ln_weight *w = &ln_law[(uint32_t)member * LN_LAW_WEIGHTS];
    const int16_t *centre = &ln_centre[(uint32_t)member * LN_NEURONS];
    const int8_t *bits = &ln_law_bits[(uint32_t)member * LN_NEURONS];
    uint64_t total = 0U;
    unsigned u;
    unsigned i;
    unsigned k;
    unsigned c;
    for (i = 0U; i < LN_NEURONS; i++) {
        d[i] = (ln_word)(((int32_t)h[i] * ((int32_t)1 << LN_LIFT)) - (int32_t)centre[i]);
    }
    for (u = 0U; u < LN_UNITS; u++) {
        const ln_word *own = &d[u * LN_CHANNELS];
        for (i = 0U; i < LN_CHANNELS; i++) {
            const int fine = bits[(u * LN_CHANNELS) + i];
            ln_acc acc = 0;
            int32_t e;
            for (k = 0U; k < LN_PARENTS; k++) {
                const ln_index from = ln_parents[(u * LN_PARENTS) + k];
                if (from != LN_NO_UNIT) {
                    const ln_word *near = &d[(unsigned)from * LN_CHANNELS];
                    for (c = 0U; c < LN_CHANNELS; c++) {
                        acc = (ln_acc)(acc + ((ln_acc)w[c] * (ln_acc)near[c]));
                    }
                    w += LN_CHANNELS;
                }
            }
            for (c = 0U; c <= i; c++) {
                acc = (ln_acc)(acc + ((ln_acc)w[c] * (ln_acc)own[c]));
            }
            w += i + 1U;
            e = (int32_t)ln_clipped(ln_rounded(ln_up(acc, -fine), fine), LN_TOP);
            total += (uint64_t)((uint32_t)(e * e));
        }
    }
    return total;
}

int ln_decide(const ln_word h[LN_NEURONS], ln_word scratch[LN_NEURONS])
{
    int winner = 0;
    int64_t best = 0;
    uint64_t least = 0U;
    int member;
    for (member = 0; member < LN_MEMBERS; member++) {
        const uint64_t squares = ln_squares(member, h, scratch);
        const int64_t score = ln_score[member] - (int64_t)((squares * LN_MULTIPLIER) >> LN_SHIFT);
        if ((member == 0) || (score > best)) {
            winner = member;
            best = score;
            least = squares;
        }
    }
    return ((least < ln_low[winner]) || (least > ln_high[winner])) ? 0 : winner;
}

void ln_undo(int member, const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS])
{
    const uint32_t back = (member > 0) ? (uint32_t)member - 1U : 0U;
    const ln_acc *bias = &ln_way_bias[back * LN_NEURONS];
    unsigned u;
    unsigned i;
    unsigned k;
    unsigned c;
    if (member <= 0) {
        for (i = 0U; i < LN_NEURONS; i++) {
            fixed[i] = h[i];
        }
        return;
    }
    for (u = 0U; u < LN_UNITS; u++) {
        const unsigned kind = ln_kind[u];
        const ln_weight *w = &ln_way[(back * LN_WAY_WEIGHTS) + ln_first[kind]];
        for (i = 0U; i < LN_CHANNELS; i++) {
            const int fine = ln_way_bits[(((back * LN_KINDS) + kind) * LN_CHANNELS) + i];
            const unsigned at = (u * LN_CHANNELS) + i;
            ln_acc acc = 0;
            for (k = 0U; k < LN_READERS; k++) {
                const ln_index from = ln_readers[(u * LN_READERS) + k];
                if (from != LN_NO_UNIT) {
                    const ln_word *near = &h[(unsigned)from * LN_CHANNELS];
                    for (c = 0U; c < LN_CHANNELS; c++) {
                        acc = (ln_acc)(acc + ((ln_acc)w[c] * (ln_acc)near[c]));
                    }
                    w += LN_CHANNELS;
                }
            }
            acc = ln_rounded((ln_acc)(bias[at] + ln_up(acc, -fine)), fine);
            fixed[at] = (ln_word)ln_clipped((ln_acc)(acc + (ln_acc)h[at]), LN_HIGHEST);
        }
    }
}

int ln_repair(const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS])
{
    const int member = ln_decide(h, fixed);
    ln_undo(member, h, fixed);
    return member;
}
