// Owns the clocks of the generator; monotonic, so that a time written into an event can be compared on arrival.
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

static inline int64_t read_clock(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * SECOND + at.tv_nsec;
}

static inline int64_t now(void) { return read_clock(CLOCK_MONOTONIC); }

static inline int64_t own_cpu(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

#endif
