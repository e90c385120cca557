#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"

#define LARGEST (4 << 20)

struct text {
    const char *start;
    size_t length;
};

static int redis;
static const char *name;
static deliver *deliver_to;
static char last[64] = "0-0"; // id of the entry read last; the stream is empty at first
static char reply[LARGEST + 1];
static size_t length;
static const char *at; // in the reply, while it is taken apart

static void ask(void)
{
    char command[512];
    int size = snprintf(command, sizeof command, "XREAD COUNT 500 BLOCK 0 STREAMS %s %s\r\n", name, last);
    if (write(redis, command, (size_t)size) != size)
        fail("Valkey: %s", strerror(errno));
}

void stream_open(const char *stream, int connection, deliver *to)
{
    name = stream;
    redis = connection;
    deliver_to = to;
    ask();
}

// Where a value of the protocol ends, with all that is in it; null while it is not complete.
static const char *end_of(const char *value, const char *end)
{
    const char *line_end = value < end ? memchr(value, '\n', (size_t)(end - value)) : 0;
    if (!line_end)
        return 0;
    const char *next = line_end + 1;
    long number = strtol(value + 1, 0, 10);
    if (*value == '$')
        return end - next >= number + 2 ? next + number + 2 : 0;
    for (long i = 0; *value == '*' && i < number && next; i++)
        next = end_of(next, end);
    return next;
}

static long take_number(void)
{
    long number = strtol(at + 1, 0, 10);
    at = strchr(at, '\n') + 1;
    return number;
}

static struct text take_text(void)
{
    size_t size = (size_t)take_number();
    at += size + 2;
    return (struct text){at - size - 2, size};
}

// An entry is an id with fields; those named "namespace\0room" hold a packet, the others are not for us.
static void deliver_entry(void)
{
    take_number();
    struct text id = take_text();
    snprintf(last, sizeof last, "%.*s", (int)id.length, id.start);
    for (long left = take_number(); left > 0; left -= 2) {
        struct text target = take_text(), packet = take_text();
        const char *zero = memchr(target.start, 0, target.length);
        if (zero)
            deliver_to(zero + 1, (size_t)(target.start + target.length - zero - 1), packet.start,
                packet.length);
    }
}

void stream_on_data(void)
{
    ssize_t size = recv(redis, reply + length, LARGEST - length, MSG_DONTWAIT);
    if (size <= 0)
        fail("Valkey closed the connection, or sent more than %d bytes at once", LARGEST);
    length += (size_t)size;
    reply[length] = 0;
    if (*reply == '-')
        fail("Valkey refused: %s", reply + 1);
    if (!end_of(reply, reply + length))
        return;
    at = reply;
    take_number(); // of streams, which is one; it has a name, and entries
    take_number();
    take_text();
    for (long left = take_number(); left > 0; left--)
        deliver_entry();
    length = 0;
    ask();
}
