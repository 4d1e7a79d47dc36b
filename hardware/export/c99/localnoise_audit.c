/* The self-test. See localnoise_audit.h. */
#include "localnoise_audit.h"

#define LN_EDGE ((int64_t)1 << (LN_WORD_BITS - 1))

static int32_t ln_sign(int64_t value)
{
    return (value > 0) ? 1 : ((value < 0) ? -1 : 0);
}

/* floor(value / 2^bits): the shift of a negative number is the compiler's choice, this is not. */
static int64_t ln_floor(int64_t value, unsigned bits)
{
    return (value >= 0) ? (value >> bits) : ~((~value) >> bits);
}

/* What unit u predicts for channel i; *row is left at the next channel's. */
static int64_t ln_expect(uint32_t u, uint32_t i, const ln_weight **row, const ln_word *x, const ln_word *h)
{
    const ln_weight *w = *row;
    int64_t read = 0;
    int64_t near = 0;
    uint32_t k;
    uint32_t c;
#if LN_READERS > 0
    for (k = 0U; k < LN_READERS; k++) {
        const ln_index from = ln_x_readers[(u * LN_READERS) + k];
        if (from != LN_NO_UNIT) {
            for (c = 0U; (c < LN_CHANNELS) && (h != 0); c++) {
                read += (int64_t)w[c] * h[((uint32_t)from * LN_CHANNELS) + c];
            }
            w += LN_CHANNELS;
        }
    }
    read = (h != 0) ? ((read * ((int64_t)1 << ln_x_lift[3U * u])) + ln_x_bias[(u * LN_CHANNELS) + i]) : 0;
#else
    (void)h;
#endif
    for (k = 0U; k < LN_PARENTS; k++) {
        const ln_index from = ln_x_parents[(u * LN_PARENTS) + k];
        if (from != LN_NO_UNIT) {
            for (c = 0U; c < LN_CHANNELS; c++) {
                near += (int64_t)w[c] * x[((uint32_t)from * LN_CHANNELS) + c];
            }
            w += LN_CHANNELS;
        }
    }
    for (c = 0U; c < i; c++) {
        near += (int64_t)w[c] * x[(u * LN_CHANNELS) + c];
    }
    *row = w + i + 1U; /* behind the noise's own weight */
    return read + (near * ((int64_t)1 << ln_x_lift[(3U * u) + 1U]));
}

/* The private noise of word y, in 256ths of its deviation. */
static int32_t ln_noise_of(uint32_t u, uint32_t n, int32_t y, int64_t prediction)
{
    const int64_t most = ln_x_most[n];
    int64_t r = ((int64_t)y * ((int64_t)1 << ln_x_fraction[u])) - prediction;
#if LN_WRAP
    const uint64_t whole = (uint64_t)1 << (LN_WORD_BITS + ln_x_fraction[u]);
    r = (int64_t)(((uint64_t)r + (whole >> 1)) & (whole - 1U)) - (int64_t)(whole >> 1);
#else
    if (((y == (LN_EDGE - 1)) && (r < 0)) || ((y == -LN_EDGE) && (r > 0))) {
        r = 0; /* the word was cut: what it would have been is not known */
    }
#endif
    r = ln_floor(r, ln_x_down[n]);
    r = (r < -most) ? -most : ((r > most) ? most : r);
    return (int32_t)ln_floor((r * ln_x_factor[n]) + ((int64_t)1 << (ln_x_shift[n] - 1U)), ln_x_shift[n]);
}

/* Add e to the sums of the words of one unit, if their signs are the same. */
static void ln_hold(int32_t *sums, int32_t e, const ln_word *words, uint32_t count)
{
    uint32_t c;
    for (c = 0U; c < count; c++) {
        sums[c] += e * ln_sign(words[c]);
    }
}

void ln_test_begin(ln_unit_test *test, uint32_t unit)
{
    uint32_t k;
    for (k = 0U; k < LN_CHANNELS; k++) {
        test->square[k] = 0U;
        test->before[k] = 0;
    }
    for (k = 0U; k < (LN_CHANNELS * LN_TEST_PLACES); k++) {
        test->signed_sum[k] = 0;
    }
    test->unit = unit;
    test->draws = 0U;
}

int ln_test_add(ln_unit_test *test, const ln_word eta[LN_NEURONS], const ln_word *h)
{
    const uint32_t u = test->unit;
    const ln_weight *row = &ln_x_weights[ln_x_first[u]];
    uint32_t i;
    uint32_t k;
    if (test->draws >= LN_TEST_DRAWS) {
        return 1;
    }
    for (i = 0U; i < LN_CHANNELS; i++) {
        const uint32_t n = (u * LN_CHANNELS) + i;
        const int64_t prediction = ln_expect(u, i, &row, eta, h);
        const int32_t e = ln_noise_of(u, n, eta[n], prediction);
        int32_t *sums = &test->signed_sum[i * LN_TEST_PLACES];
        test->square[i] += (uint64_t)((int64_t)e * e);
        sums[LN_TEST_OFFSET] += e;
        sums[LN_TEST_GAIN] += e * ln_sign(prediction);
        sums[LN_TEST_BEFORE] += e * ln_sign(test->before[i]);
        test->before[i] = e;
        sums += LN_TEST_LINKS;
#if LN_READERS > 0
        for (k = 0U; k < LN_READERS; k++) {
            const ln_index from = ln_x_readers[(u * LN_READERS) + k];
            if ((from != LN_NO_UNIT) && (h != 0)) {
                ln_hold(sums, e, &h[(uint32_t)from * LN_CHANNELS], LN_CHANNELS);
            }
            sums += LN_CHANNELS;
        }
#endif
        for (k = 0U; k < LN_PARENTS; k++) {
            const ln_index from = ln_x_parents[(u * LN_PARENTS) + k];
            if (from != LN_NO_UNIT) {
                ln_hold(sums, e, &eta[(uint32_t)from * LN_CHANNELS], LN_CHANNELS);
            }
            sums += LN_CHANNELS;
        }
        ln_hold(sums, e, &eta[u * LN_CHANNELS], i);
    }
    test->draws += 1U;
    return (test->draws >= LN_TEST_DRAWS) ? 1 : 0;
}

int ln_test_judge(const ln_unit_test *test, ln_fault *fault)
{
    ln_fault found = {0U, 0, 0, 0U, 0U};
    int32_t largest = 0;
    int off = 0;
    int wide = 0;
    uint32_t i;
    uint32_t k;
    if (test->draws < LN_TEST_DRAWS) {
        return -1;
    }
    found.unit = test->unit;
    for (i = 0U; i < LN_CHANNELS; i++) {
        for (k = 0U; k < LN_TEST_PLACES; k++) {
            const int32_t sum = test->signed_sum[(i * LN_TEST_PLACES) + k];
            const int32_t size = (sum < 0) ? -sum : sum;
            if (size > LN_TEST_LIMIT) {
                off++;
                if (size > largest) {
                    largest = size;
                    found.channel = i;
                    found.what = (int32_t)k;
                    found.sum = sum;
                }
            }
        }
    }
    for (i = 0U; i < LN_CHANNELS; i++) {
        const uint32_t n = (test->unit * LN_CHANNELS) + i;
        if ((test->square[i] < ln_x_low[n]) || (test->square[i] > ln_x_high[n])) {
            if ((off == 0) && (wide == 0)) {
                found.channel = i;
                found.what = -1;
                found.square = test->square[i];
            }
            wide++;
        }
    }
    if (fault != 0) {
        *fault = found;
    }
    return off + wide;
}

int ln_selftest(ln_noise *noise, ln_unit_test *tests, uint32_t count, ln_word eta[LN_NEURONS], ln_fault *fault)
{
    int off = 0;
    uint32_t unit;
    for (unit = 0U; (unit < LN_UNITS) && (count > 0U); unit += count) {
        const uint32_t some = ((LN_UNITS - unit) < count) ? (LN_UNITS - unit) : count;
        uint32_t t;
        uint32_t k;
        for (k = 0U; k < some; k++) {
            ln_test_begin(&tests[k], unit + k);
        }
        for (t = 0U; t < LN_TEST_DRAWS; t++) {
            ln_draw(noise, eta);
            for (k = 0U; k < some; k++) {
                (void)ln_test_add(&tests[k], eta, 0);
            }
        }
        for (k = 0U; k < some; k++) {
            if (ln_test_judge(&tests[k], (off == 0) ? fault : 0) > 0) {
                off++;
            }
        }
    }
    return (count > 0U) ? off : -1;
}
