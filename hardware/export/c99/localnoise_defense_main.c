/* A program that says whether this network and its defense run here as exported: how many golden images differ. */
#include "localnoise_defense.h"

int main(void)
{
    return ln_selftest() + ln_defense_selftest();
}
