// Owns the latencies of one phase: 1 µs steps up to a second, 100 µs steps up to 100 seconds.
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

void histogram_reset(void);
void histogram_add(int64_t nanoseconds);
int64_t histogram_percentile(double share); // in µs
int64_t histogram_max(void);                // in µs

#endif
