// The floor of `hub bench`: what it costs to write one frame to every socket, if one does nothing else. It reads
// the same stream entries as the hub. Nothing here is durable, limited or authenticated.
//
// Environment: PORT, NAMESPACE, ROOM (of all clients; empty: each is in one of its own), STREAM, REDIS_PORT,
// REDIS_PASSWORD.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fail.h"
#include "loopback.h"
#include "stream.h"
#include "valkey.h"
#include "websocket.h"

#define MOST (1 << 17)
#define LONGEST 65000
#define MASK 4
#define USER "\"user\":\"bench-"
#define OPEN "0{\"sid\":\"floor\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}"
// The generators always send the key of the example in RFC 6455, so the answer is the example's, too.
#define UPGRADE "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

static enum state { NEW, OPENED, MEMBER } states[MOST]; // of clients, by descriptor
static int highest;                                     // descriptor of a client
static int by_number[MOST];                             // the descriptor of user bench-7 at 7
static const char *namespace, *everybody;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        fail("%s is not set", name);
    return value;
}

// Whoever is gone is noticed when its socket is read; whoever is slow holds up all the others.
static void write_all(int fd, const char *bytes, size_t length)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    for (ssize_t written; length; bytes += written, length -= (size_t)written) {
        while ((written = write(fd, bytes, length)) < 0 && errno == EAGAIN)
            poll(&room, 1, -1);
        if (written < 0)
            return;
    }
}

// Puts the header before a text that has FRAME_HEADER bytes of space before it; makes it longer by that.
static const char *frame_around(char *text, size_t *length)
{
    unsigned char header[FRAME_HEADER];
    size_t size = frame_header(header, OP_TEXT, *length);
    *length += size;
    return memcpy(text - size, header, size);
}

static void say(int fd, const char *text)
{
    char space[FRAME_HEADER + 256], *start = space + FRAME_HEADER;
    size_t length = (size_t)snprintf(start, 256, "%s", text);
    const char *frame = frame_around(start, &length);
    write_all(fd, frame, length);
}

static void welcome(int fd, const char *packet)
{
    const char *user = strstr(packet, USER);
    long number = user ? strtol(user + strlen(USER), 0, 10) : MOST;
    if (number >= MOST)
        fail("a CONNECT payload does not name its user");
    by_number[number] = fd;
    states[fd] = MEMBER;
    char answer[256];
    snprintf(answer, sizeof answer, "40%s,{\"sid\":\"floor\"}", namespace);
    say(fd, answer);
}

static void receive_frame(int fd, char *data, size_t length)
{
    struct frame frame; // whose size does not count the mask
    if (!frame_parse(data, length, &frame) || length < frame.size + MASK)
        fail("a client's frame came in pieces, which the floor does not understand");
    char *mask = data + frame.size - frame.length, *text = mask + MASK;
    for (size_t i = 0; i < frame.length; i++)
        text[i] ^= mask[i % MASK];
    text[frame.length] = 0;
    if (states[fd] == OPENED && strncmp(text, "40", 2) == 0)
        welcome(fd, text);
}

static void receive(int fd)
{
    char data[8192];
    ssize_t length = read(fd, data, sizeof data - 1);
    if (length <= 0) {
        states[fd] = NEW;
        close(fd);
    } else if (states[fd] == NEW) {
        write_all(fd, UPGRADE, strlen(UPGRADE));
        say(fd, OPEN);
        states[fd] = OPENED;
    } else {
        receive_frame(fd, data, (size_t)length);
    }
}

static void deliver_to_clients(const char *room, size_t room_length, const char *packet, size_t length)
{
    static char space[FRAME_HEADER + LONGEST], *start = space + FRAME_HEADER;
    size_t size = (size_t)snprintf(start, LONGEST, "42%s,%.*s", namespace, (int)length, packet);
    if (size >= LONGEST)
        fail("an event is longer than %d bytes", LONGEST);
    const char *frame = frame_around(start, &size), *dash = memrchr(room, '-', room_length);
    if (!*everybody && dash)
        write_all(by_number[strtol(dash + 1, 0, 10) % MOST], frame, size);
    else if (strlen(everybody) == room_length && memcmp(room, everybody, room_length) == 0)
        for (int fd = 0; fd <= highest; fd++)
            if (states[fd] == MEMBER)
                write_all(fd, frame, size);
}

static void watch(int epoll, int fd)
{
    struct epoll_event reading = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &reading) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

static int listen_on(int port)
{
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || listen(listening, SOMAXCONN) < 0)
        fail("port %d: %s", port, strerror(errno));
    return listening;
}

static void accept_all(int epoll, int listening)
{
    for (int fd; (fd = accept4(listening, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (fd >= MOST)
            fail("more than %d connections", MOST);
        send_at_once(fd);
        states[fd] = NEW;
        highest = fd > highest ? fd : highest;
        watch(epoll, fd);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // a write to a closed socket is that client's end, not ours
    namespace = setting("NAMESPACE");
    everybody = setting("ROOM");
    int redis = valkey_connect(atoi(setting("REDIS_PORT")), setting("REDIS_PASSWORD"));
    int epoll = epoll_create1(EPOLL_CLOEXEC), listening = listen_on(atoi(setting("PORT")));
    stream_open(setting("STREAM"), redis, deliver_to_clients);
    watch(epoll, redis);
    watch(epoll, listening);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listening)
                accept_all(epoll, listening);
            else if (events[i].data.fd == redis)
                stream_on_data();
            else
                receive(events[i].data.fd);
        }
    }
}
