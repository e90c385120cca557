// Owns what a measurement subtracts: the clock, the server's CPU time and the generator's own.
#ifndef READING_H
#define READING_H

#include <stdint.h>

struct reading {
    int64_t at;
    int64_t own_cpu;
    double user_us;   // of the server
    double system_us; // of the server
};

struct reading reading_take(void);
struct reading reading_since(const struct reading *before);

#endif
