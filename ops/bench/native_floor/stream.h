// Owns the reading side: what others append to the stream in Valkey is delivered as it comes.
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>

// Takes an event, a JSON array, and the room it is for.
typedef void deliver(const char *room, size_t room_length, const char *packet, size_t length);

void stream_open(const char *name, int redis, deliver *to); // `redis` is then to be polled
void stream_on_data(void);

#endif
