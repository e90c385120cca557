// Load generator: connects many Socket.IO clients to a server, appends events to the stream it reads, and
// measures what arrives. Prints one line of JSON for the connecting and one per phase. See ../README.md.
#define _GNU_SOURCE
#include <signal.h>

#include "clock.h"
#include "fail.h"
#include "fleet.h"
#include "options.h"
#include "phases.h"
#include "procfs.h"
#include "publisher.h"
#include "pump.h"
#include "reading.h"

#define CONNECT_TIME_OUT (120 * SECOND)

static void settle(const struct options *options) { pump_for((int64_t)(options->settle * SECOND)); }

static void connect_until(const struct options *options, int clients)
{
    int64_t give_up = now() + CONNECT_TIME_OUT;
    while (tally.ready + tally.dead < clients && now() < give_up) {
        fleet_connect_more(clients, options->connecting);
        pump(SECOND);
    }
    if (tally.ready < clients)
        fail("only %d of %d clients could connect", tally.ready, clients);
}

// Memory is that of all connections: what a server took for the first ones it may use for the next.
static void connect_all(const struct options *options)
{
    int64_t rss_before = procfs_rss_kb();
    if (options->warm) {
        connect_until(options, options->warm);
        settle(options);
    }
    int measured = options->clients - options->warm;
    struct reading before = reading_take();
    connect_until(options, options->clients);
    struct reading spent = reading_since(&before);
    settle(options);
    printf("{\"name\":\"connect\",\"clients\":%d,\"seconds\":%.3f,\"cpu_us_per_connection\":%.1f,"
           "\"rss_kb_before\":%lld,\"rss_kb_per_connection\":%.2f}\n",
        measured, (double)spent.at / SECOND, (spent.user_us + spent.system_us) / measured,
        (long long)rss_before, (double)(procfs_rss_kb() - rss_before) / options->clients);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);
    signal(SIGPIPE, SIG_IGN); // a write to a closed socket is that client's end, not ours
    fleet_open(&options, pump_open());
    pump_watch_publisher(publisher_open(&options));
    connect_all(&options);
    phases_run(&options);
    return 0;
}
