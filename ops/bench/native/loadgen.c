// Load generator: connects many Socket.IO clients to a server, appends events to the stream it reads, and
// measures what arrives. Prints one line of JSON for the connecting and one per phase. See ../README.md.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "fleet.h"
#include "histogram.h"
#include "options.h"
#include "procfs.h"
#include "publisher.h"

#define CONNECT_TIME_OUT (120 * SECOND)
#define PAUSE_BETWEEN (200 * MILLISECOND)
#define SLOWEST_PUMP_MS 20

static int poll_fd;

// What a measurement subtracts.
struct reading {
    int64_t at;
    int64_t own_cpu;
    struct cpu_time server;
};

static struct reading take_reading(void)
{
    return (struct reading){.at = now(), .own_cpu = own_cpu(), .server = procfs_cpu()};
}

static void pump(int timeout_ms)
{
    struct epoll_event events[512];
    int count = epoll_wait(poll_fd, events, 512, timeout_ms);
    if (count < 0 && errno != EINTR)
        fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            fleet_on_event(events[i].data.ptr);
        else
            publisher_on_answer();
    }
}

static void pump_for(int64_t duration)
{
    for (int64_t end = now() + duration; now() < end;)
        pump(SLOWEST_PUMP_MS);
}

static double cpu_between(const struct reading *before, const struct reading *after)
{
    return (double)(after->server.user_us - before->server.user_us)
        + (double)(after->server.system_us - before->server.system_us);
}

static void connect_all(const struct options *options)
{
    int64_t rss_before = procfs_rss_kb();
    struct reading before = take_reading();
    while (!fleet_settled() && now() < before.at + CONNECT_TIME_OUT) {
        fleet_connect_more();
        pump(SLOWEST_PUMP_MS);
    }
    struct reading after = take_reading();
    if (tally.ready < options->clients)
        fail("only %d of %d clients could connect", tally.ready, options->clients);
    pump_for((int64_t)(options->settle * SECOND));
    double cpu = cpu_between(&before, &after);
    printf("{\"name\":\"connect\",\"clients\":%d,\"seconds\":%.3f,\"cpu_us_per_connection\":%.1f,"
           "\"rss_kb_before\":%lld,\"rss_kb_per_connection\":%.2f}\n",
        tally.ready, (double)(after.at - before.at) / SECOND, cpu / tally.ready, (long long)rss_before,
        (double)(procfs_rss_kb() - rss_before) / tally.ready);
    fflush(stdout);
}

static uint32_t next_number = 1;

struct progress {
    int64_t published;
    int64_t expected; // deliveries: one per event and client connected when it was published
};

static void publish(struct progress *progress)
{
    publisher_append(next_number++);
    progress->published++;
    progress->expected += tally.ready;
}

// Publishes what is due by now and says how long the pump may wait, in ms.
static int publish_due(const struct phase *phase, struct progress *progress, int64_t elapsed)
{
    if (phase->kind == PHASE_WINDOW) {
        int64_t window = (int64_t)phase->value * tally.ready;
        while (tally.ready && progress->expected - tally.received <= window - tally.ready)
            publish(progress);
        return SLOWEST_PUMP_MS;
    }
    double interval = tally.ready ? (double)SECOND * tally.ready / phase->value : (double)SECOND;
    while ((double)progress->published * interval <= (double)elapsed)
        publish(progress);
    int wait = (int)(((double)progress->published * interval - (double)elapsed) / MILLISECOND) + 1;
    return wait < SLOWEST_PUMP_MS ? wait : SLOWEST_PUMP_MS;
}

static struct progress drive(const struct phase *phase, int64_t begin)
{
    struct progress progress = {0, 0};
    int64_t length = (int64_t)(phase->seconds * SECOND);
    for (int64_t elapsed; (elapsed = now() - begin) < length;) {
        int wait = publish_due(phase, &progress, elapsed);
        publisher_flush();
        pump(wait);
    }
    return progress;
}

static void print_phase(const struct phase *phase, const struct progress *progress, double per_second,
    const struct reading *before, const struct reading *after)
{
    double received = tally.received ? (double)tally.received : 1;
    double wall_us = (double)(after->at - before->at) / 1000;
    double user = (double)(after->server.user_us - before->server.user_us);
    double system = (double)(after->server.system_us - before->server.system_us);
    printf("{\"name\":\"%s\",\"published\":%lld,\"expected\":%lld,\"received\":%lld,"
           "\"disorder\":%lld,\"dead\":%d,",
        phase->name, (long long)progress->published, (long long)progress->expected, (long long)tally.received,
        (long long)tally.disorder, tally.dead);
    printf("\"deliveries_per_second\":%.0f,\"cpu_us_per_delivery\":%.3f,\"user_us_per_delivery\":%.3f,"
           "\"system_us_per_delivery\":%.3f,\"server_cpu_percent\":%.1f,\"generator_cpu_percent\":%.1f,",
        per_second, (user + system) / received, user / received, system / received,
        (user + system) / wall_us * 100, (double)(after->own_cpu - before->own_cpu) / 1000 / wall_us * 100);
    printf("\"p50_us\":%lld,\"p90_us\":%lld,\"p99_us\":%lld,\"max_us\":%lld}\n",
        (long long)histogram_percentile(0.5), (long long)histogram_percentile(0.9),
        (long long)histogram_percentile(0.99), (long long)histogram_max());
    fflush(stdout);
}

static void run_phase(const struct phase *phase, double drain)
{
    histogram_reset();
    fleet_begin_phase(next_number);
    struct reading before = take_reading();
    struct progress progress = drive(phase, before.at);
    double per_second = (double)tally.received * SECOND / (double)(now() - before.at);
    int64_t give_up = now() + (int64_t)(drain * SECOND);
    while ((tally.received < progress.expected || publisher_unanswered()) && now() < give_up)
        pump(SLOWEST_PUMP_MS);
    struct reading after = take_reading();
    print_phase(phase, &progress, per_second, &before, &after);
    pump_for(PAUSE_BETWEEN);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);
    signal(SIGPIPE, SIG_IGN); // a write to a closed socket is that client's end, not ours
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    fleet_open(&options, poll_fd);
    struct epoll_event answers = {.events = EPOLLIN, .data.ptr = 0};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, publisher_open(&options), &answers);
    publisher_flush();
    connect_all(&options);
    for (int i = 0; i < options.phase_count; i++)
        run_phase(&options.phases[i], options.drain);
    return 0;
}
