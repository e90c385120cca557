#include "histogram.h"

#include <string.h>

#define BUCKETS 1000000
#define COARSE_STEP 100 // µs

static uint32_t fine[BUCKETS];
static uint32_t coarse[BUCKETS];
static int64_t count;
static int64_t longest;

void histogram_reset(void)
{
    memset(fine, 0, sizeof fine);
    memset(coarse, 0, sizeof coarse);
    count = 0;
    longest = 0;
}

void histogram_add(int64_t nanoseconds)
{
    int64_t us = nanoseconds < 0 ? 0 : nanoseconds / 1000;
    if (us < BUCKETS) {
        fine[us]++;
    } else {
        int64_t bucket = us / COARSE_STEP;
        coarse[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    }
    if (us > longest)
        longest = us;
    count++;
}

int64_t histogram_percentile(double share)
{
    int64_t wanted = (int64_t)((double)count * share);
    int64_t seen = 0;
    for (int64_t i = 0; i < BUCKETS; i++) {
        seen += fine[i];
        if (seen > wanted)
            return i;
    }
    for (int64_t i = 0; i < BUCKETS; i++) {
        seen += coarse[i];
        if (seen > wanted)
            return i * COARSE_STEP;
    }
    return longest;
}

int64_t histogram_max(void) { return longest; }
