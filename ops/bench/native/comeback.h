// Owns the phase in which all clients are cut, miss events, and come back at once to what they missed.
#ifndef COMEBACK_H
#define COMEBACK_H

#include "options.h"

void comeback_run(const struct options *options, const struct phase *phase);

#endif
