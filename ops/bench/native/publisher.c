#define _GNU_SOURCE
#include "publisher.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "valkey.h"

#define KEPT_ENTRIES "100000" // far more than a reader may lie behind; bounds the memory of a long run
#define FLUSH_AT 60000
#define LONGEST_COMMAND 4096
#define MOST_DIGITS 11

static int redis;
static const char *stream;
static const struct options *options;
static char target[256]; // name of the field: namespace, NUL, room
static size_t target_length;
static int64_t last_seq;
static int64_t unanswered;
static char out[FLUSH_AT + LONGEST_COMMAND];
static size_t out_length;

static void put(const void *bytes, size_t length)
{
    memcpy(out + out_length, bytes, length);
    out_length += length;
}

static void put_argument(const void *bytes, size_t length)
{
    out_length += (size_t)sprintf(out + out_length, "$%zu\r\n", length);
    put(bytes, length);
    put("\r\n", 2);
}

static void put_word(const char *word) { put_argument(word, strlen(word)); }

static void begin_command(int arguments)
{
    if (out_length > FLUSH_AT)
        publisher_flush();
    out_length += (size_t)sprintf(out + out_length, "*%d\r\n", arguments);
    unanswered++;
}

void publisher_flush(void)
{
    size_t sent = 0;
    while (sent < out_length) {
        ssize_t written = write(redis, out + sent, out_length - sent);
        if (written < 0 && errno != EINTR)
            fail("Valkey: %s", strerror(errno));
        if (written > 0)
            sent += (size_t)written;
    }
    out_length = 0;
}

int publisher_open(const struct options *given)
{
    options = given;
    redis = valkey_connect(options->redis_port, options->redis_password);
    stream = options->stream;
    last_seq = options->after;
    int length = snprintf(target, sizeof target, "%s%c%s", options->nsp, 0, options->room);
    if (length >= (int)sizeof target - MOST_DIGITS)
        fail("namespace and room are too long");
    target_length = (size_t)length;
    return redis;
}

// Puts a number behind the room; the length of the target.
static size_t address(uint32_t number)
{
    return target_length + (size_t)snprintf(target + target_length, MOST_DIGITS, "%u", number);
}

static size_t render_packet(char *packet, size_t capacity, uint32_t number)
{
    return (size_t)snprintf(packet, capacity,
        "[\"content.created\",{\"id\":\"01990000-0000-7000-8000-%012u\",\"type\":\"content.created\","
        "\"time\":\"2026-01-01T00:00:00Z\",\"subject\":\"content:bench\",\"actor\":\"bench\",\"data\":{"
        "\"content_id\":\"bench\",\"author\":\"bench\",\"kind\":\"post\",\"title\":\"" MARKER "%0*u:%0*lld\","
        "\"zone\":\"berlin\",\"url\":\"https://example.com/posts/bench\"}}]",
        number, MARKER_NUMBER_DIGITS, number, MARKER_TIME_DIGITS, (long long)now());
}

static void append(const char *name, size_t name_length, uint32_t number)
{
    char packet[1024], prev[24], id[32], at[24];
    snprintf(prev, sizeof prev, "%lld", (long long)last_seq);
    last_seq++;
    snprintf(id, sizeof id, "%lld-0", (long long)last_seq);
    snprintf(at, sizeof at, "%lld", (long long)(read_clock(CLOCK_REALTIME) / MILLISECOND));
    size_t length = render_packet(packet, sizeof packet, number);
    begin_command(12);
    put_word("XADD");
    put_word(stream);
    put_word("MAXLEN");
    put_word("~");
    put_word(KEPT_ENTRIES);
    put_word(id);
    put_word("prev");
    put_word(prev);
    put_word("at");
    put_word(at);
    put_argument(name, name_length);
    put_argument(packet, length);
}

void publisher_append(uint32_t number)
{
    append(target, options->unicast ? address(number % (uint32_t)options->clients) : target_length, number);
}

void publisher_append_unheard(void)
{
    static uint32_t rooms;
    char nobody[sizeof target];
    int length = snprintf(nobody, sizeof nobody, "%s%cnobody:%u", options->nsp, 0, ++rooms);
    append(nobody, (size_t)length, 0); // no number of its own: those are for who looks for gaps
}

void publisher_begin_burst(void)
{
    begin_command(1);
    put_word("MULTI");
}

void publisher_end_burst(int events)
{
    begin_command(1);
    put_word("EXEC");
    unanswered += events; // every entry is answered twice: +QUEUED, and its id in the list of EXEC
}

// Only simple answers come back: +OK, +QUEUED, *N, an id as a bulk string ("$N", then the id), or -ERR.
void publisher_on_answer(void)
{
    static char line[512];
    static size_t line_length;
    char in[65536];
    ssize_t length = recv(redis, in, sizeof in, MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        fail("Valkey closed the connection");
    for (ssize_t i = 0; i < length; i++) {
        if (in[i] != '\n') {
            if (line_length < sizeof line - 1)
                line[line_length++] = in[i];
            continue;
        }
        line[line_length] = 0;
        line_length = 0;
        if (line[0] == '-')
            fail("Valkey refused: %s", line + 1);
        if (line[0] != '$')
            unanswered--;
    }
}

int64_t publisher_unanswered(void) { return unanswered; }
