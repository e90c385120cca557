#define _GNU_SOURCE
#include "unheard.h"

#include <stdio.h>

#include "clock.h"
#include "fleet.h"
#include "phases.h"
#include "publisher.h"
#include "pump.h"
#include "reading.h"

// The last event of a burst is heard: that is how one knows that the server has dealt with the others.
static void append_burst(struct progress *heard, int events)
{
    publisher_begin_burst();
    for (int i = 1; i < events; i++)
        publisher_append_unheard();
    publish(heard);
    publisher_end_burst(events);
}

static void print_unheard(const struct phase *phase, const struct progress *heard, const struct reading *spent)
{
    double events = (double)heard->published * phase->value;
    double server_us = spent->user_us + spent->system_us;
    double wall_us = (double)spent->at / 1000;
    printf("{\"name\":\"%s\",\"published\":%.0f,\"expected\":%lld,\"received\":%lld,"
           "\"disorder\":%lld,\"dead\":%d,",
        phase->name, events, (long long)heard->expected, (long long)tally.received, (long long)tally.disorder,
        tally.dead);
    printf("\"events_per_second\":%.0f,\"cpu_us_per_event\":%.3f,\"server_cpu_percent\":%.1f,"
           "\"generator_cpu_percent\":%.1f}\n",
        events * 1e6 / wall_us, events > 0 ? server_us / events : 0, server_us / wall_us * 100,
        (double)spent->own_cpu / 1000 / wall_us * 100);
    fflush(stdout);
}

void unheard_run(const struct options *options, const struct phase *phase)
{
    struct progress heard = {0, 0};
    int64_t enough = 0; // deliveries of all bursts but the last: with them, the next one may come
    fleet_begin_phase(published_next());
    struct reading before = reading_take();
    for (int64_t end = before.at + (int64_t)(phase->seconds * SECOND); now() < end; pump(SECOND)) {
        if (tally.received < enough)
            continue;
        enough = heard.expected;
        append_burst(&heard, (int)phase->value);
        publisher_flush();
    }
    int64_t give_up = now() + (int64_t)(options->drain * SECOND);
    while ((tally.received < heard.expected || publisher_unanswered()) && now() < give_up)
        pump(SECOND);
    struct reading spent = reading_since(&before);
    print_unheard(phase, &heard, &spent);
}
