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

static int64_t ln_score_of(int member, uint64_t squares)
{
    return ln_score[member] - (int64_t)((squares * LN_MULTIPLIER) >> LN_SHIFT);
}

#if LN_WORTHS
/* What the repair of a source is worth, by the log densities of all sources. */
static int64_t ln_worth_of(int source, const int64_t density[LN_SOURCES])
{
    int64_t worth = ln_worth_bias[source];
    int k;
    for (k = 0; k < LN_SOURCES; k++) {
        worth += (int64_t)ln_worth[(source * LN_SOURCES) + k] * density[k];
    }
    return worth;
}

/* The member, or -1 where its source's repair is not expected to pay. */
static int ln_worthwhile(int member, const int64_t density[LN_SOURCES])
{
    return (ln_worth_of((int)ln_source[member], density) > 0) ? member : -1;
}

static void ln_unlikely(int64_t density[LN_SOURCES])
{
    int k;
    for (k = 0; k < LN_SOURCES; k++) {
        density[k] = INT64_MIN;
    }
}

static void ln_note(int member, uint64_t squares, int64_t density[LN_SOURCES])
{
    const int64_t value = ln_log[member] - (int64_t)squares;
    int64_t *most = &density[ln_source[member]];
    *most = (value > *most) ? value : *most;
}
#endif

/* The member of the highest score, of one source or (source < 0) of all; -1 if there is none. Where worth is asked, and of all,
 * also the log density of each source's likeliest member, in squares. */
static int ln_likeliest(int source, const ln_word *h, ln_word *scratch, uint64_t *squares, int64_t *density)
{
    int winner = -1;
    int64_t best = 0;
    int member;
    for (member = 0; member < LN_MEMBERS; member++) {
        if ((source < 0) || ((int)ln_source[member] == source)) {
            const uint64_t own = ln_squares(member, h, scratch);
            const int64_t score = ln_score_of(member, own);
            if ((winner < 0) || (score > best)) {
                winner = member;
                best = score;
                *squares = own;
            }
#if LN_WORTHS
            if (density != 0) {
                ln_note(member, own, density);
            }
#endif
        }
    }
    (void)density;
    return winner;
}

/* Clean, in the place of a member whose own sum of squares lies out of its range. */
static int ln_typical(int member, uint64_t squares)
{
    return ((squares < ln_low[member]) || (squares > ln_high[member])) ? 0 : member;
}

#if LN_AMONG
static int ln_asked(int member)
{
    return ln_among[ln_source[member]] != 0U;
}

static int64_t ln_score_anew(int member, uint64_t squares)
{
    return ln_among_score[member] - (int64_t)((squares * LN_AMONG_MULTIPLIER) >> LN_AMONG_SHIFT);
}

/* The member of the highest score among those between which an earlier layer's word is decided anew; -1: it does not pay. */
static int ln_anew(const ln_word *h, ln_word *scratch)
{
    int winner = 0;
    int first = 1;
    int64_t best = 0;
    uint64_t squares = 0U;
    int member;
#if LN_WORTHS
    int64_t density[LN_SOURCES];
    ln_unlikely(density);
#endif
    for (member = 0; member < LN_MEMBERS; member++) {
        const int asked = ln_asked(member);
        if ((asked != 0) || (LN_WORTHS != 0)) {
            const uint64_t own = ln_squares(member, h, scratch);
            const int64_t score = ln_score_anew(member, own);
            if ((asked != 0) && ((first != 0) || (score > best))) {
                first = 0;
                winner = member;
                best = score;
                squares = own;
            }
#if LN_WORTHS
            ln_note(member, own, density);
#endif
        }
    }
    winner = ln_typical(winner, squares);
#if LN_WORTHS
    winner = ln_worthwhile(winner, density);
#endif
    return winner;
}
#endif

int ln_decide(const ln_word h[LN_NEURONS], ln_word scratch[LN_NEURONS])
{
    uint64_t squares = 0U;
#if LN_WORTHS
    int64_t density[LN_SOURCES];
    int member;
    ln_unlikely(density);
    member = ln_likeliest(-1, h, scratch, &squares, density);
    return ln_worthwhile(ln_typical(member, squares), density);
#else
    const int member = ln_likeliest(-1, h, scratch, &squares, 0);
    return ln_typical(member, squares);
#endif
}

#if LN_BENDS && (LN_WAYS > 0)
/* What a way back reads: words, and how far each lies from the mean of the member that it is repaired from. */
static void ln_bend(const ln_word *h, const int16_t *centre, ln_word read[2 * LN_NEURONS])
{
    unsigned i;
    for (i = 0U; i < LN_NEURONS; i++) {
        const int32_t from = (int32_t)h[i] - (int32_t)ln_rounded((ln_acc)centre[i], LN_LIFT);
        read[i] = h[i];
        read[LN_NEURONS + i] = (ln_word)((from < 0) ? -from : from);
    }
}
#endif

void ln_undo(int member, const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS])
{
    unsigned i;
#if LN_WAYS > 0
    const uint32_t back = ((member >= 0) && (ln_back[member] > 0)) ? (uint32_t)ln_back[member] : 0U;
    const ln_acc *bias = &ln_way_bias[back * LN_NEURONS];
#if LN_BENDS
    ln_word read[2 * LN_NEURONS];
#else
    const ln_word *read = h;
#endif
    unsigned u;
    unsigned k;
    unsigned c;
#endif
    if ((member < 0) || (ln_back[member] < 0)) {
        for (i = 0U; i < LN_NEURONS; i++) {
            fixed[i] = h[i];
        }
        return;
    }
#if LN_WAYS > 0
#if LN_BENDS
    ln_bend(h, &ln_centre[(uint32_t)member * LN_NEURONS], read);
#endif
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
                    const ln_word *near = &read[(unsigned)from * LN_CHANNELS];
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
#endif
}

int ln_repair(const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS])
{
    const int member = ln_decide(h, fixed);
    ln_undo(member, h, fixed);
    return member;
}

/* The member that repairs where an earlier layer, or somebody else, says what has happened. */
static int ln_told(int source, const ln_word *h, ln_word *scratch)
{
    uint64_t squares = 0U;
    int member = -1;
    int several = 0;
    int k;
    for (k = LN_MEMBERS - 1; k >= 0; k--) {
        if ((int)ln_source[k] == source) {
            several = (member >= 0);
            member = k;
        }
    }
    if (several != 0) {
        member = ln_likeliest(source, h, scratch, &squares, 0);
    }
    return (member < 0) ? 0 : member;
}

int ln_repair_as(int source, const ln_word h[LN_NEURONS], ln_word fixed[LN_NEURONS])
{
    int member = -1;
    if (source >= 0) {
#if LN_AMONG
        const int anew = (source < LN_SOURCES) && (ln_among[source] != 0U);
        member = (anew != 0) ? ln_anew(h, fixed) : ln_told(source, h, fixed);
#else
        member = ln_told(source, h, fixed);
#endif
    }
    ln_undo(member, h, fixed);
    return member;
}

int ln_verdict(int member)
{
    return (member < 0) ? -1 : (int)ln_source[member];
}

#ifdef LN_CHECKED
void ln_numbers(const ln_word h[LN_NEURONS], ln_word scratch[LN_NEURONS], int64_t numbers[LN_NUMBERS])
{
    int member;
#if LN_WORTHS
    int64_t density[LN_SOURCES];
    int source;
    ln_unlikely(density);
#endif
    for (member = 0; member < LN_MEMBERS; member++) {
        const uint64_t own = ln_squares(member, h, scratch);
        int64_t *row = &numbers[member * LN_ROW];
        row[0] = ln_score_of(member, own);
        row[1] = (int64_t)own - (int64_t)ln_low[member];
        row[2] = (int64_t)ln_high[member] - (int64_t)own;
        row[3] = ln_verdict(member);
#if LN_AMONG
        row[4] = (ln_asked(member) != 0) ? ln_score_anew(member, own) : INT64_MIN;
#endif
#if LN_WORTHS
        ln_note(member, own, density);
#endif
    }
#if LN_WORTHS
    for (source = 0; source < LN_SOURCES; source++) {
        numbers[(LN_MEMBERS * LN_ROW) + source] = ln_worth_of(source, density);
    }
#endif
}
#endif
