// Owns the phases: what is published when, and one line of JSON about what arrived of it.
#ifndef PHASES_H
#define PHASES_H

#include <stdint.h>

#include "options.h"

struct progress {
    int64_t published;
    int64_t expected; // deliveries: one per event and client connected when it was published
};

void phases_run(const struct options *options);

// For phases that publish in their own way.
void publish(struct progress *progress);
void publish_burst(struct progress *progress, int events);
uint32_t published_next(void); // the number of the next event

#endif
