// Owns the phase in which almost every event is for a room that nobody is in.
#ifndef UNHEARD_H
#define UNHEARD_H

#include "options.h"

void unheard_run(const struct options *options, const struct phase *phase);

#endif
