#define _GNU_SOURCE
#include "session.h"

#include <stdio.h>
#include <string.h>

#define PID "\"pid\":\""
#define OFFSET_END "\"]"

bool session_opened(struct session *session, const char *answer, size_t length)
{
    const char *pid = memmem(answer, length, PID, strlen(PID));
    if (!pid)
        return false;
    pid += strlen(PID);
    const char *end = memchr(pid, '"', (size_t)(answer + length - pid));
    size_t size = end ? (size_t)(end - pid) : 0;
    if (!size || size >= sizeof session->pid)
        return false;
    if (strlen(session->pid) == size && memcmp(session->pid, pid, size) == 0)
        return true;
    memcpy(session->pid, pid, size);
    session->pid[size] = 0;
    session->offset[0] = 0;
    return false;
}

void session_moved(struct session *session, const char *packet, size_t length)
{
    if (!session->pid[0] || length < 3 || memcmp(packet + length - 2, OFFSET_END, 2) != 0)
        return;
    size_t end = length - 2;
    const char *quote = memrchr(packet, '"', end);
    size_t size = quote ? (size_t)(packet + end - quote - 1) : 0;
    if (!size || size >= sizeof session->offset)
        return;
    memcpy(session->offset, quote + 1, size);
    session->offset[size] = 0;
}

size_t session_payload(const struct session *session, const char *payload, char *out, size_t capacity)
{
    int open = (int)strlen(payload) - 1; // without its closing brace
    int length = session->pid[0]
        ? snprintf(out, capacity, "%.*s,\"pid\":\"%s\",\"offset\":\"%s\"}", open, payload, session->pid,
              session->offset)
        : snprintf(out, capacity, "%s", payload);
    return (size_t)length;
}
