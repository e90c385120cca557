// Owns what a client needs to come back: its session's id and the offset of the last event it has seen.
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>

struct session {
    char pid[72];
    char offset[40];
};

// Reads the answer to CONNECT; true when the server took the session up again.
bool session_opened(struct session *session, const char *answer, size_t length);

// Reads the offset behind an event, its last argument.
void session_moved(struct session *session, const char *packet, size_t length);

// Writes the CONNECT payload of a client, with what it has to show; its length, or more than `capacity`.
size_t session_payload(const struct session *session, const char *payload, char *out, size_t capacity);

#endif
