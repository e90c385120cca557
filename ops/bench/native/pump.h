// Owns the waiting: whatever arrives meanwhile, from clients or from Valkey, is handled at once.
#ifndef PUMP_H
#define PUMP_H

#include <stdbool.h>
#include <stdint.h>

int pump_open(void);                 // the descriptor where everything to wait for is entered
void pump_watch_publisher(int redis); // its answers are handled, too
void pump(int64_t longest);          // until something arrives, at most that many nanoseconds
void pump_for(int64_t duration);
void pump_stay_awake(bool awake);    // or sleep when there is nothing to do
int64_t pump_spun(void);             // CPU time spent only to stay awake, in ns

#endif
