#define _GNU_SOURCE
#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "histogram.h"
#include "loopback.h"
#include "publisher.h"
#include "session.h"
#include "websocket.h"

enum state { NEW, CONNECTING, UPGRADING, OPENING, JOINING, READY, DEAD };

struct client {
    int fd;
    enum state state;
    const char *payload;  // of its CONNECT packet
    struct session session;
    uint32_t next_number; // of the event it should receive next
    char *rest;           // what the last read left: the beginning of a frame
    size_t rest_length;
};

struct tally tally;

static const struct options *options;
static struct client *clients;
static int poll_fd;
static int started, connecting;
static char prefix[128]; // of Socket.IO packets in our namespace
static uint32_t phase_first;
static void (*told)(uint32_t number);
static char input[1 << 18];

static void die(struct client *client, const char *why, const char *detail, size_t length)
{
    static int explained;
    if (client->state == DEAD)
        return;
    if (explained++ < 5) // the first few say it all
        fprintf(stderr, "loadgen: client %d: %s %.*s\n", (int)(client - clients), why, (int)length, detail);
    if (client->state == READY)
        tally.ready--;
    else
        connecting--;
    tally.dead++;
    client->state = DEAD;
    close(client->fd); // leaves epoll by itself
}

static void send_text(struct client *client, const char *text, size_t length)
{
    if (!frame_send(client->fd, OP_TEXT, text, length))
        die(client, "cannot send:", strerror(errno), strlen(strerror(errno)));
}

static void send_connect(struct client *client)
{
    char packet[8192];
    size_t start = (size_t)snprintf(packet, sizeof packet, "40%s", prefix);
    size_t length = session_payload(&client->session, client->payload, packet + start, sizeof packet - start);
    if (start + length >= sizeof packet)
        fail("a CONNECT payload is longer than %zu bytes", sizeof packet);
    client->state = JOINING;
    send_text(client, packet, start + length);
}

// How far apart the numbers of a client's events are.
static uint32_t step(void) { return options->unicast ? (uint32_t)options->clients : 1; }

// The number of the first event in this phase that is for the client.
static uint32_t first_of(const struct client *client)
{
    uint32_t index = (uint32_t)(client - clients), size = step();
    return options->unicast ? phase_first + (index + size - phase_first % size) % size : phase_first;
}

static void receive_event(struct client *client, const char *text, size_t length)
{
    const char *marker = memmem(text, length, MARKER, strlen(MARKER));
    size_t digits = MARKER_NUMBER_DIGITS + 1 + MARKER_TIME_DIGITS;
    if (!marker || (size_t)(text + length - marker) < strlen(MARKER) + digits)
        return; // a signal, or an event that is none of ours
    const char *number_at = marker + strlen(MARKER);
    uint32_t number = (uint32_t)strtoul(number_at, 0, 10);
    int64_t sent = strtoll(number_at + MARKER_NUMBER_DIGITS + 1, 0, 10);
    tally.received++;
    if (number != client->next_number)
        tally.disorder++;
    client->next_number = number + step();
    session_moved(&client->session, text, length);
    if (told)
        told(number);
    else
        histogram_add(now() - sent);
}

static void receive_welcome(struct client *client, const char *text, size_t length)
{
    client->state = READY;
    client->next_number = first_of(client);
    tally.recovered += session_opened(&client->session, text, length);
    connecting--;
    tally.ready++;
}

static void receive_packet(struct client *client, const char *text, size_t length)
{
    if (length == 1 && text[0] == '2') { // Engine.IO ping
        send_text(client, "3", 1);
    } else if (client->state == OPENING && text[0] == '0') {
        send_connect(client);
    } else if (length < 2 || text[0] != '4') {
        return;
    } else if (text[1] == '2') {
        receive_event(client, text, length);
    } else if (text[1] == '0' && client->state == JOINING) {
        receive_welcome(client, text, length);
    } else if (text[1] == '4' || text[1] == '1') {
        die(client, "the server said", text, length);
    }
}

static void receive_frame(struct client *client, const struct frame *frame)
{
    size_t code = frame->length < 2 ? frame->length : 2; // of a close frame, before its reason
    if (frame->opcode == OP_CLOSE)
        die(client, "the server closed the websocket:", frame->payload + code, frame->length - code);
    else if (frame->opcode == OP_PING)
        frame_send(client->fd, OP_PONG, frame->payload, frame->length);
    else if (frame->opcode == OP_CONTINUATION || !frame->final)
        die(client, "fragmented messages are not understood", "", 0);
    else if (frame->opcode == OP_TEXT && frame->length > 0)
        receive_packet(client, frame->payload, frame->length);
}

// Takes the whole answer to the upgrade request off the front; 0 while it is not complete.
static size_t receive_upgrade(struct client *client, const char *data, size_t length)
{
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (length < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0)
        die(client, "the server refused the websocket:", data, (size_t)(end - data));
    else
        client->state = OPENING;
    return (size_t)(end + 4 - data);
}

static size_t receive_all(struct client *client, const char *data, size_t length)
{
    size_t used = client->state == UPGRADING ? receive_upgrade(client, data, length) : 0;
    struct frame frame;
    while (client->state > UPGRADING && client->state != DEAD
        && frame_parse(data + used, length - used, &frame)) {
        receive_frame(client, &frame);
        used += frame.size;
    }
    return used;
}

static void read_from(struct client *client)
{
    size_t before = client->rest_length;
    if (before)
        memcpy(input, client->rest, before);
    ssize_t length = read(client->fd, input + before, sizeof input - before);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        const char *why = length ? strerror(errno) : "";
        die(client, "the server closed the connection", why, strlen(why));
        return;
    }
    size_t total = before + (size_t)length;
    size_t used = receive_all(client, input, total);
    if (client->state == DEAD)
        return;
    client->rest_length = total - used;
    if (client->rest_length == sizeof input)
        fail("a message is longer than %zu bytes", sizeof input);
    if (client->rest_length) {
        client->rest = realloc(client->rest, client->rest_length);
        memcpy(client->rest, input + used, client->rest_length);
    }
}

static void request_upgrade(struct client *client)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        die(client, "cannot connect:", strerror(error), strlen(strerror(error)));
        return;
    }
    char request[512];
    int length = snprintf(request, sizeof request,
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n",
        options->port);
    struct epoll_event reading = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, client->fd, &reading);
    client->state = UPGRADING;
    if (write(client->fd, request, (size_t)length) != length)
        die(client, "cannot send the upgrade request", "", 0);
}

void fleet_on_event(struct client *client)
{
    if (client->state == CONNECTING)
        request_upgrade(client);
    else if (client->state != DEAD)
        read_from(client);
}

static void begin_connecting(struct client *client)
{
    struct sockaddr_in address = loopback(options->port);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail("socket %d: %s", started, strerror(errno));
    send_at_once(client->fd);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        fail("port %d: %s", options->port, strerror(errno));
    struct epoll_event writing = {.events = EPOLLOUT, .data.ptr = client};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, client->fd, &writing);
    client->state = CONNECTING;
    connecting++;
    started++;
}

void fleet_connect_more(int upto, int at_a_time)
{
    while (started < upto && connecting < at_a_time)
        begin_connecting(&clients[started]);
}

void fleet_cut(void)
{
    for (int i = 0; i < options->clients; i++) {
        if (clients[i].state == DEAD)
            continue;
        close(clients[i].fd);
        clients[i].state = NEW;
        clients[i].rest_length = 0;
    }
    started = connecting = tally.ready = tally.recovered = 0;
}

void fleet_tell(void (*hear)(uint32_t number)) { told = hear; }

void fleet_begin_phase(uint32_t first_number)
{
    phase_first = first_number;
    for (int i = 0; i < options->clients; i++)
        clients[i].next_number = first_of(&clients[i]);
    tally.received = tally.disorder = 0;
}

static char **read_payloads(int *count)
{
    char **lines = 0;
    char *line = 0;
    size_t capacity = 0;
    FILE *file = fopen(options->payloads, "r");
    if (!file)
        fail("%s: %s", options->payloads, strerror(errno));
    *count = 0;
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 1;) {
        lines = realloc(lines, sizeof *lines * (size_t)(*count + 1));
        lines[(*count)++] = strndup(line, (size_t)length - (line[length - 1] == '\n'));
    }
    fclose(file);
    free(line);
    if (*count == 0)
        fail("%s has no CONNECT payloads", options->payloads);
    return lines;
}

void fleet_open(const struct options *given, int poll)
{
    options = given;
    poll_fd = poll;
    if (strcmp(options->nsp, "/") != 0)
        snprintf(prefix, sizeof prefix, "%s,", options->nsp);
    clients = calloc((size_t)options->clients, sizeof *clients);
    int count;
    char **payloads = read_payloads(&count);
    for (int i = 0; i < options->clients; i++)
        clients[i].payload = payloads[i % count];
}
