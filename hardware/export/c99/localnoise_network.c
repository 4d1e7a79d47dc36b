/* The runtime of a network: its tables in flash. See localnoise_network.h. */
#include "localnoise_network.h"

#include "localnoise_integers.h"

/* A layer's numbers, in the order in which localnoise_tables.c holds them. */
enum {
    LN_KIND, LN_FROM, LN_FROM_TOO, LN_INTO,
    LN_CHANNELS_IN, LN_ROWS_IN, LN_COLUMNS_IN, LN_CHANNELS_OUT, LN_ROWS_OUT, LN_COLUMNS_OUT,
    LN_ROWS, LN_COLUMNS, LN_DOWN, LN_ACROSS, LN_ABOVE, LN_LEFT, LN_GAP, LN_SPACE,
    LN_OWN, LN_WEIGHT, LN_CHANNEL, LN_LOW, LN_HIGH, LN_LOOK_UP, LN_INDEX_TOP, LN_LIFT, LN_LIFT_TOO, LN_FRACTION
};
enum { LN_CONVOLUTION, LN_SUM, LN_MAXIMUM, LN_MEAN, LN_APPLY, LN_RESHAPE, LN_MIXED };

/* The taps of a window that lie inside of the input: first .. last - 1 of each axis, and where the first one lies. */
typedef struct {
    int32_t first[2];
    int32_t last[2];
    int32_t at[2];
} ln_taps;

typedef struct {
    const int32_t *layer;
    const ln_word *in;
    const ln_word *too;
    ln_word *out;
    ln_word *patch;
    ln_logit *logits; /* of the last layer; else 0 */
} ln_step;

/* floor(value / by), by > 0 */
static int32_t ln_divided(int32_t value, int32_t by)
{
    return (value >= 0) ? (value / by) : ~((~value) / by);
}

static int32_t ln_finished(const int32_t *layer, int32_t value)
{
    const int32_t top = layer[LN_INDEX_TOP];
    if (top > 0) {
        return (int32_t)ln_lookup[layer[LN_LOOK_UP] + ln_clipped(value, -top, top - 1) + top];
    }
    return ln_clipped(value, layer[LN_LOW], layer[LN_HIGH]);
}

static void ln_put(const ln_step *step, int32_t y, int32_t x, int32_t c, int32_t value)
{
    const int32_t *l = step->layer;
    if (step->logits != 0) { /* in the order of (C, H, W) */
        step->logits[(((c * l[LN_ROWS_OUT]) + y) * l[LN_COLUMNS_OUT]) + x] = (ln_logit)value;
    } else {
        step->out[(((y * l[LN_COLUMNS_OUT]) + x) * l[LN_CHANNELS_OUT]) + c] = (ln_word)value;
    }
}

/* Taps of the window of output place (y, x). */
static void ln_window(const int32_t *l, int32_t y, int32_t x, ln_taps *taps)
{
    int axis;
    for (axis = 0; axis < 2; axis++) {
        const int32_t size = l[LN_ROWS + axis];
        const int32_t gap = l[LN_GAP + axis];
        const int32_t inside = l[LN_ROWS_IN + axis];
        const int32_t start = (((axis == 0) ? y : x) * l[LN_DOWN + axis]) - l[LN_ABOVE + axis];
        int32_t first = 0;
        int32_t last = size;
        if (start < 0) {
            first = ((-start) + gap - 1) / gap;
        }
        if ((start + ((size - 1) * gap)) >= inside) {
            last = (inside > start) ? ((((inside - start) - 1) / gap) + 1) : 0;
        }
        taps->first[axis] = (first < last) ? first : last;
        taps->last[axis] = last;
        taps->at[axis] = start + (taps->first[axis] * gap);
    }
}

static int32_t ln_dot(const int8_t *w, const ln_word *x, int32_t count)
{
    int32_t acc = 0;
    while (count >= 4) {
        acc += (int32_t)w[0] * (int32_t)x[0];
        acc += (int32_t)w[1] * (int32_t)x[1];
        acc += (int32_t)w[2] * (int32_t)x[2];
        acc += (int32_t)w[3] * (int32_t)x[3];
        w += 4;
        x += 4;
        count -= 4;
    }
    while (count > 0) {
        acc += (int32_t)*w * (int32_t)*x;
        w++;
        x++;
        count--;
    }
    return acc;
}

/* Two sums at once, of weights w and v: each word is loaded once for both. */
static void ln_two(const int8_t *w, const int8_t *v, const ln_word *x, int32_t count, int32_t sums[2])
{
    int32_t first = sums[0];
    int32_t second = sums[1];
    const ln_word *const end = x + count;
    const ln_word *const most = x + (count - (count % 4));
    while (x < most) {
        first += (int32_t)w[0] * (int32_t)x[0];
        second += (int32_t)v[0] * (int32_t)x[0];
        first += (int32_t)w[1] * (int32_t)x[1];
        second += (int32_t)v[1] * (int32_t)x[1];
        first += (int32_t)w[2] * (int32_t)x[2];
        second += (int32_t)v[2] * (int32_t)x[2];
        first += (int32_t)w[3] * (int32_t)x[3];
        second += (int32_t)v[3] * (int32_t)x[3];
        w += 4;
        v += 4;
        x += 4;
    }
    while (x < end) {
        first += (int32_t)*w * (int32_t)*x;
        second += (int32_t)*v * (int32_t)*x;
        w++;
        v++;
        x++;
    }
    sums[0] = first;
    sums[1] = second;
}

/* What output place (y, x) multiplies, side by side, zeros for places outside of the input. */
static const ln_word *ln_patch(const ln_step *step, int32_t y, int32_t x)
{
    const int32_t *l = step->layer;
    const int32_t channels = l[LN_CHANNELS_IN];
    const int32_t row_end = l[LN_ROWS_IN];
    const int32_t column_end = l[LN_COLUMNS_IN];
    const int32_t rows = l[LN_ROWS];
    const int32_t columns = l[LN_COLUMNS];
    ln_word *to = step->patch;
    int32_t row = (y * l[LN_DOWN]) - l[LN_ABOVE];
    int32_t i;
    int32_t j;
    int32_t c;
    if ((rows == 1) && (columns == 1) && (l[LN_ABOVE] == 0) && (l[LN_LEFT] == 0)) {
        return &step->in[((row * column_end) + (x * l[LN_ACROSS])) * channels];
    }
    for (i = 0; i < rows; i++) {
        int32_t column = (x * l[LN_ACROSS]) - l[LN_LEFT];
        for (j = 0; j < columns; j++) {
            if ((row >= 0) && (row < row_end) && (column >= 0) && (column < column_end)) {
                const ln_word *from = &step->in[((row * column_end) + column) * channels];
                for (c = 0; c < channels; c++) {
                    *to = from[c];
                    to++;
                }
            } else {
                for (c = 0; c < channels; c++) {
                    *to = 0;
                    to++;
                }
            }
            column += l[LN_SPACE];
        }
        row += l[LN_GAP];
    }
    return step->patch;
}

/* A convolution, or a dense layer, of which every output reads all channels. */
static void ln_convolve(const ln_step *step)
{
    const int32_t *l = step->layer;
    const int32_t outputs = l[LN_CHANNELS_OUT];
    const int32_t size = l[LN_ROWS] * l[LN_COLUMNS] * l[LN_OWN];
    const int8_t *const weights = &ln_weights[l[LN_WEIGHT]];
    const int32_t *const bias = &ln_bias[l[LN_CHANNEL]];
    const uint8_t *const fraction = &ln_fraction[l[LN_CHANNEL]];
    int32_t y;
    int32_t x;
    int32_t o;
    for (y = 0; y < l[LN_ROWS_OUT]; y++) {
        for (x = 0; x < l[LN_COLUMNS_OUT]; x++) {
            const ln_word *patch = ln_patch(step, y, x);
            const int8_t *w = weights;
            for (o = 0; (o + 1) < outputs; o += 2) {
                int32_t sums[2];
                sums[0] = bias[o];
                sums[1] = bias[o + 1];
                ln_two(w, w + size, patch, size, sums);
                ln_put(step, y, x, o, ln_finished(l, ln_rounded(sums[0], (int32_t)fraction[o])));
                ln_put(step, y, x, o + 1, ln_finished(l, ln_rounded(sums[1], (int32_t)fraction[o + 1])));
                w += 2 * size;
            }
            if (o < outputs) {
                const int32_t acc = bias[o] + ln_dot(w, patch, size);
                ln_put(step, y, x, o, ln_finished(l, ln_rounded(acc, (int32_t)fraction[o])));
            }
        }
    }
}

/* A convolution in groups, such as a depthwise one. */
static void ln_convolve_groups(const ln_step *step)
{
    const int32_t *l = step->layer;
    const int32_t channels = l[LN_CHANNELS_IN];
    const int32_t own = l[LN_OWN];
    const int32_t outputs = l[LN_CHANNELS_OUT];
    const int32_t each = outputs / (channels / own); /* outputs of a group */
    const int32_t size = l[LN_ROWS] * l[LN_COLUMNS] * own;
    int32_t y;
    int32_t x;
    int32_t o;
    int32_t i;
    int32_t j;
    for (y = 0; y < l[LN_ROWS_OUT]; y++) {
        for (x = 0; x < l[LN_COLUMNS_OUT]; x++) {
            ln_taps taps;
            ln_window(l, y, x, &taps);
            for (o = 0; o < outputs; o++) {
                const int8_t *w = &ln_weights[l[LN_WEIGHT] + (o * size)];
                const ln_word *in = &step->in[(o / each) * own];
                int32_t acc = ln_bias[l[LN_CHANNEL] + o];
                int32_t row = taps.at[0];
                for (i = taps.first[0]; i < taps.last[0]; i++) {
                    const ln_word *from = &in[((row * l[LN_COLUMNS_IN]) + taps.at[1]) * channels];
                    const int8_t *of = &w[((i * l[LN_COLUMNS]) + taps.first[1]) * own];
                    for (j = taps.first[1]; j < taps.last[1]; j++) {
                        acc += ln_dot(of, from, own);
                        of += own;
                        from += l[LN_SPACE] * channels;
                    }
                    row += l[LN_GAP];
                }
                acc = ln_rounded(acc, (int32_t)ln_fraction[l[LN_CHANNEL] + o]);
                ln_put(step, y, x, o, ln_finished(l, acc));
            }
        }
    }
}

/* Maximum or mean of each window. */
static void ln_pool(const ln_step *step)
{
    const int32_t *l = step->layer;
    const int32_t channels = l[LN_CHANNELS_IN];
    int32_t y;
    int32_t x;
    int32_t c;
    int32_t i;
    int32_t j;
    for (y = 0; y < l[LN_ROWS_OUT]; y++) {
        for (x = 0; x < l[LN_COLUMNS_OUT]; x++) {
            ln_taps taps;
            int32_t n;
            ln_window(l, y, x, &taps);
            n = (taps.last[0] - taps.first[0]) * (taps.last[1] - taps.first[1]);
            if (l[LN_FRACTION] != 0) { /* places outside count */
                n = l[LN_ROWS] * l[LN_COLUMNS];
            }
            for (c = 0; c < channels; c++) {
                int32_t total = 0;
                int32_t most = -32768;
                for (i = 0; i < (taps.last[0] - taps.first[0]); i++) {
                    const int32_t row = taps.at[0] + (i * l[LN_GAP]);
                    for (j = 0; j < (taps.last[1] - taps.first[1]); j++) {
                        const int32_t column = taps.at[1] + (j * l[LN_SPACE]);
                        const int32_t word = step->in[(((row * l[LN_COLUMNS_IN]) + column) * channels) + c];
                        total += word;
                        most = (word > most) ? word : most;
                    }
                }
                if (l[LN_KIND] == LN_MEAN) {
                    total *= (int32_t)2 << l[LN_LIFT];
                    most = ln_clipped(ln_divided(total + n, 2 * n), l[LN_LOW], l[LN_HIGH]);
                }
                ln_put(step, y, x, c, most);
            }
        }
    }
}

/* Sum, clamp or table, word by word; or the same words in another shape. */
static void ln_each(const ln_step *step)
{
    const int32_t *l = step->layer;
    const int32_t rows = l[LN_ROWS_OUT];
    const int32_t columns = l[LN_COLUMNS_OUT];
    int32_t y;
    int32_t x;
    int32_t c;
    for (y = 0; y < rows; y++) {
        for (x = 0; x < columns; x++) {
            for (c = 0; c < l[LN_CHANNELS_OUT]; c++) {
                int32_t at = (((y * columns) + x) * l[LN_CHANNELS_OUT]) + c;
                int32_t value;
                if (l[LN_KIND] == LN_RESHAPE) {
                    const int32_t inside = l[LN_ROWS_IN] * l[LN_COLUMNS_IN];
                    at = (((c * rows) + y) * columns) + x; /* the order of (C, H, W) is kept */
                    at = ((at % inside) * l[LN_CHANNELS_IN]) + (at / inside);
                }
                value = (int32_t)step->in[at];
                if (l[LN_KIND] == LN_SUM) {
                    value = (value * ((int32_t)1 << l[LN_LIFT])) + ((int32_t)step->too[at] * ((int32_t)1 << l[LN_LIFT_TOO]));
                    value = ln_rounded(value, l[LN_FRACTION]);
                } else if (l[LN_KIND] == LN_MIXED) { /* without noise */
                    value = ln_rounded(value * ((int32_t)1 << l[LN_LIFT]), l[LN_FRACTION]);
                }
                ln_put(step, y, x, c, (l[LN_KIND] == LN_RESHAPE) ? value : ln_finished(l, value));
            }
        }
    }
}

void ln_run(ln_memory *memory, const ln_word image[LN_INPUTS], ln_logit logits[LN_OUTPUTS], unsigned first, unsigned last)
{
    unsigned k;
    for (k = first; k < last; k++) {
        ln_step step;
        const int32_t *l = &ln_layers[k * LN_NUMBERS];
        step.layer = l;
        step.in = (l[LN_FROM] < 0) ? image : &memory->words[l[LN_FROM]];
        step.too = (l[LN_FROM_TOO] < 0) ? image : &memory->words[l[LN_FROM_TOO]];
        step.logits = (l[LN_INTO] < 0) ? logits : 0;
        step.out = &memory->words[(l[LN_INTO] < 0) ? 0 : l[LN_INTO]];
        step.patch = memory->patch;
        if (l[LN_KIND] == LN_CONVOLUTION) {
            if (l[LN_OWN] == l[LN_CHANNELS_IN]) {
                ln_convolve(&step);
            } else {
                ln_convolve_groups(&step);
            }
        } else if ((l[LN_KIND] == LN_MAXIMUM) || (l[LN_KIND] == LN_MEAN)) {
            ln_pool(&step);
        } else {
            ln_each(&step);
        }
    }
}

int ln_largest(const ln_logit logits[LN_OUTPUTS])
{
    int best = 0;
    int k;
    for (k = 1; k < LN_OUTPUTS; k++) {
        if (logits[k] > logits[best]) {
            best = k;
        }
    }
    return best;
}

int ln_classify(ln_memory *memory, const ln_word image[LN_INPUTS], ln_logit logits[LN_OUTPUTS])
{
    ln_run(memory, image, logits, 0U, LN_LAYERS);
    return ln_largest(logits);
}
