/* Calls an artefact's functions, for localnoise verify. Commands on stdin, one byte each, then numbers and words:
 *   s seed        begin the stream of the seed, uint64
 *   d n           n draws (n: uint32): LN_NEURONS int16 a draw come back
 *   p h, m h      a draw, or the mean, for the activation words h
 *   i d h         the innovation of the displacement words d
 *   l d h, u      learn from d and h; settle, and draw so from then on: weights and biases come back
 *   r d h told, R learn what the draw d for h was worth, told: int32; settle, draw so, and the weights come back
 *   b unit        begin the self-test of a unit, uint32
 *   a eta, A eta h  take a draw, at mean zero or for h
 *   j             judge: int32, ln_fault and ln_unit_test come back
 *   S count       test all units, count (uint32) at a time, by draws: int32 and ln_fault come back
 * A bank has no means and no innovations. DRIVE_LEARNS is 1 where the artefact learns from displacements,
 * DRIVE_REWARDS where from rewards, DRIVE_TESTS where it tests itself. */
#include "localnoise.h"

#include <stdio.h>
#if DRIVE_LEARNS
#include "localnoise_learn.h"

static ln_learner learner;
static ln_weight weights[LN_WEIGHTS];
static ln_acc biases[LN_NEURONS];
#endif
#if DRIVE_REWARDS
#include "localnoise_reward.h"

static ln_learner learner;
static ln_weight weights[LN_WEIGHTS];
#endif

#if DRIVE_TESTS
#include "localnoise_audit.h"

static ln_unit_test tests[LN_UNITS];
static ln_fault fault;
#endif

static ln_noise noise;
static ln_word first[LN_NEURONS];
static ln_word second[LN_NEURONS];
static ln_word answer[LN_NEURONS];

static int taken(void *to, size_t size)
{
    return fread(to, size, 1U, stdin) == 1U;
}

static void given(const void *from, size_t size)
{
    (void)fwrite(from, size, 1U, stdout);
}

static int obeyed(int command)
{
    uint64_t seed;
    uint32_t count;
    if (command == 's') {
        if (!taken(&seed, sizeof seed)) {
            return 0;
        }
        ln_seed(&noise, seed);
        return 1;
    }
    if (command == 'd') {
        if (!taken(&count, sizeof count)) {
            return 0;
        }
        for (; count > 0U; count--) {
            ln_draw(&noise, answer);
            given(answer, sizeof answer);
        }
        return 1;
    }
#if DRIVE_TESTS
    if ((command == 'b') || (command == 'S')) {
        int32_t off;
        if (!taken(&count, sizeof count) || (count > LN_UNITS)) {
            return 0;
        }
        if (command == 'b') {
            ln_test_begin(&tests[0], count);
            return 1;
        }
        off = ln_selftest(&noise, tests, count, answer, &fault);
        given(&off, sizeof off);
        given(&fault, sizeof fault);
        return 1;
    }
    if (command == 'j') {
        const int32_t off = ln_test_judge(&tests[0], &fault);
        given(&off, sizeof off);
        given(&fault, sizeof fault);
        given(&tests[0], sizeof tests[0]);
        return 1;
    }
    if ((command == 'a') || (command == 'A')) {
        if (!taken(first, sizeof first) || ((command == 'A') && !taken(second, sizeof second))) {
            return 0;
        }
        (void)ln_test_add(&tests[0], first, (command == 'A') ? second : 0);
        return 1;
    }
#endif
#if DRIVE_REWARDS
    if (command == 'r') {
        int32_t told;
        if (!taken(first, sizeof first) || !taken(second, sizeof second) || !taken(&told, sizeof told)) {
            return 0;
        }
        ln_reward(&learner, &noise, first, second, told);
        return 1;
    }
    if (command == 'R') {
        ln_settle(&learner, &noise, weights);
        ln_use(&noise, weights, noise.bias);
        given(weights, sizeof weights);
        return 1;
    }
#endif
#if DRIVE_LEARNS
    if (command == 'u') {
        ln_settle(&learner, weights, biases);
        ln_use(&noise, weights, biases);
        given(weights, sizeof weights);
        given(biases, sizeof biases);
        return 1;
    }
#endif
    if (!taken(first, sizeof first) || (((command == 'i') || (command == 'l')) && !taken(second, sizeof second))) {
        return 0;
    }
    if (command == 'p') {
        ln_perturb(&noise, first, answer);
#ifndef LN_MEMBERS
#if LN_ROUNDING != 2
    } else if (command == 'm') {
        ln_mean(&noise, first, answer);
#endif
    } else if (command == 'i') {
        ln_innovation(&noise, first, second, answer);
#endif
#if DRIVE_LEARNS
    } else if (command == 'l') {
        ln_learn(&learner, first, second);
        return 1;
#endif
    } else {
        return 0;
    }
    given(answer, sizeof answer);
    return 1;
}

int main(void)
{
    int command;
    ln_init(&noise);
#if DRIVE_LEARNS
    ln_learn_init(&learner);
#elif DRIVE_REWARDS
    ln_learn_init(&learner, &noise);
#endif
    while ((command = getchar()) != EOF) {
        if (!obeyed(command)) {
            return 1;
        }
        (void)fflush(stdout);
    }
    return 0;
}
