/* Calls a repair's functions, for localnoise verify. Commands on stdin, one byte each, then words, int16:
 *   r 0 h         repair the activation words h: the member, and LN_NEURONS words come back
 *   k source h    likewise, where the source is known
 *   u member h    undo what the member is: as many words come back
 *   q member h    a member's sum of squares comes back, uint64
 *   n 0 h         the numbers that decide come back, LN_NUMBERS int64 */
#include "localnoise_repair.h"

#include <stdio.h>

static ln_word first[LN_NEURONS];
static ln_word answer[LN_NEURONS];
static int64_t numbers[LN_NUMBERS];

static int taken(void *to, size_t size)
{
    return fread(to, size, 1U, stdin) == 1U;
}

int main(void)
{
    int command;
    while ((command = getchar()) != EOF) {
        int16_t member = 0;
        if (!taken(&member, sizeof member) || !taken(first, sizeof first)) {
            return 1;
        }
        if (command == 'q') {
            const uint64_t squares = ln_squares(member, first, answer);
            (void)fwrite(&squares, sizeof squares, 1U, stdout);
            (void)fflush(stdout);
            continue;
        }
        if (command == 'n') {
            ln_numbers(first, answer, numbers);
            (void)fwrite(numbers, sizeof numbers, 1U, stdout);
            (void)fflush(stdout);
            continue;
        }
        if (command == 'r') {
            member = (int16_t)ln_repair(first, answer);
            (void)fwrite(&member, sizeof member, 1U, stdout);
        } else if (command == 'k') {
            member = (int16_t)ln_repair_as(member, first, answer);
            (void)fwrite(&member, sizeof member, 1U, stdout);
        } else if (command == 'u') {
            ln_undo(member, first, answer);
        } else {
            return 1;
        }
        (void)fwrite(answer, sizeof answer, 1U, stdout);
        (void)fflush(stdout);
    }
    return 0;
}
