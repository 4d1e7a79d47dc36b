// Drives the simulated design over stdin and stdout, for localnoise verify. Commands, one byte each:
//   d n        n draws (n: uint32): NEURONS int16 a draw come back, by index
//   p n words  a draw for each of n activations of NEURONS int16
//   r n        begin a draw, reset n clocks into it
//   b n        from now on the reader is ready, and the activation there, in about one of n + 1 clocks; 0: always
//   c          clocks of the last draw come back, uint64
#include <cstdint>
#include <cstdio>
#include <vector>

#include "Vlocalnoise.h"
#include "verilated.h"

static VerilatedContext context;
static Vlocalnoise top{&context};
static uint64_t clocks = 0, begun = 0, taken = 0;
static uint32_t pressure = 0, random_state = 1;

static void tick() {
    top.clk = 0;
    top.eval();
    top.clk = 1;
    top.eval();
    clocks++;
}

static bool open() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return pressure == 0 || random_state % (pressure + 1) == 0;
}

static uint32_t number() {
    uint32_t value = 0;
    if (fread(&value, sizeof value, 1, stdin) != 1) value = 0;
    return value;
}

static void reset() {
    top.rst = 1;
    tick();
    tick();
    top.rst = 0;
}

#ifdef LOADED
static void load_weights() {
    FILE* const file = fopen(LOADED, "r");
    for (unsigned word; file && fscanf(file, "%x", &word) == 1;) {
        top.load_data = word;
        for (bool taken_now = false; !taken_now; tick()) {
            top.load_valid = open();
            top.eval();
            taken_now = top.load_valid && top.load_ready;
        }
    }
    top.load_valid = 0;
    if (file) fclose(file);
}
#endif

static void load(const std::vector<int16_t>& words) {
    for (size_t sent = 0; sent < words.size();) {
        top.h_valid = open();
        top.h_data = static_cast<uint16_t>(words[sent]) & ((1U << ACTIVATION_BITS) - 1U);
        top.eval();
        sent += top.h_valid && top.h_ready;
        tick();
    }
    top.h_valid = 0;
}

static void begin(bool perturb) {
    top.go_perturb = perturb;
    top.go_valid = 1;
    top.eval();
    while (!top.go_ready) {
        tick();
        top.eval();
    }
    begun = clocks;
    tick();
    top.go_valid = 0;
}

static std::vector<int16_t> draw(bool perturb) {
    std::vector<int16_t> words(NEURONS);
    begin(perturb);
    for (unsigned seen = 0; seen < NEURONS;) {
        top.eta_ready = open();
        top.eval();
        if (top.eta_valid && top.eta_ready) {
            const int32_t shifted = static_cast<int32_t>(static_cast<uint32_t>(top.eta_data) << (32 - WORD_BITS));
            words[top.eta_index] = static_cast<int16_t>(shifted >> (32 - WORD_BITS));
            seen++;
            if (static_cast<bool>(top.eta_last) != (seen == NEURONS)) words[top.eta_index] = INT16_MIN;
        }
        tick();
    }
    top.eta_ready = 0;
    taken = clocks - begun;
    return words;
}

int main() {
    reset();
#ifdef LOADED
    load_weights();
#endif
    for (int command; (command = getchar()) != EOF;) {
        if (command == 'c') {
            fwrite(&taken, sizeof taken, 1, stdout);
            fflush(stdout);
            continue;
        }
        const uint32_t count = number();
        if (command == 'b') pressure = count;
        if (command == 'r') {
            begin(false);
            top.eta_ready = 1;
            for (uint32_t k = 0; k < count; k++) tick();
            reset();
        }
        for (uint32_t k = 0; k < count && (command == 'd' || command == 'p'); k++) {
            if (command == 'p') {
                std::vector<int16_t> words(NEURONS);
                if (fread(words.data(), sizeof(int16_t), words.size(), stdin) != words.size()) return 1;
                load(words);
            }
            const auto words = draw(command == 'p');
            fwrite(words.data(), sizeof(int16_t), words.size(), stdout);
        }
        fflush(stdout);
    }
    return 0;
}
