// Owns the clients: each one websocket that speaks Engine.IO 4 and Socket.IO 5 and checks what it receives.
#ifndef FLEET_H
#define FLEET_H

#include <stdint.h>

#include "options.h"

struct client;

struct tally {
    int64_t received; // in this phase
    int64_t disorder; // events that were not the next one: repeated, late, or after a gap
    int ready;        // connected now
    int recovered;    // sessions that the server took up again after the last cut
    int dead;         // lost since the start
};

extern struct tally tally;

void fleet_open(const struct options *options, int poll);
void fleet_connect_more(int upto, int at_a_time); // of the first so many clients, so many attempts at a time
void fleet_cut(void);                             // closes every connection without a word
void fleet_tell(void (*hear)(uint32_t number));   // of every event received, whose latency then does not count
void fleet_on_event(struct client *client);
void fleet_begin_phase(uint32_t first_number); // the number its first event will have

#endif
