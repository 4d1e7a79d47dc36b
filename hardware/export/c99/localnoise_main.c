/* A program that says whether this network runs here as it was exported: it returns how many golden images differ. */
#include "localnoise_network.h"

int main(void)
{
    return ln_selftest();
}
