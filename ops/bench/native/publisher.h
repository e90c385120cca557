// Owns the publishing side: appends events to the push stream as the relay would.
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include <stdint.h>

#include "options.h"

// In the event's title, so that every server passes it on: MARKER, 10 digits of number, ':', 20 digits of time.
#define MARKER "bench:"
#define MARKER_NUMBER_DIGITS 10
#define MARKER_TIME_DIGITS 20

int publisher_open(const struct options *options); // the descriptor, to be polled for answers
void publisher_append(uint32_t number);            // buffered until flushed
void publisher_append_unheard(void);               // an event for a room of its own, which nobody is in
void publisher_begin_burst(void);           // what is appended now on reaches the stream at once
void publisher_end_burst(int events);
void publisher_flush(void);
void publisher_on_answer(void);      // fails loudly when an entry was refused
int64_t publisher_unanswered(void);  // commands Valkey has not answered yet

#endif
