#define _GNU_SOURCE
#include "comeback.h"

#include <stdio.h>

#include "clock.h"
#include "fail.h"
#include "fleet.h"
#include "histogram.h"
#include "phases.h"
#include "publisher.h"
#include "pump.h"
#include "reading.h"

#define SEEN_WITHIN (10 * SECOND)
#define TOO_MANY (500 * MILLISECOND) // waited at the end for what nobody should receive

static int64_t began;
static uint32_t last_number;
static int64_t complete;

static void on_event(uint32_t number)
{
    if (number != last_number)
        return;
    complete++;
    histogram_add(now() - began);
}

// One event that everybody sees: only who has an offset can come back to it.
static void see_one(const struct options *options)
{
    struct progress progress = {0, 0};
    fleet_begin_phase(published_next());
    publish(&progress);
    publisher_flush();
    for (int64_t give_up = now() + SEEN_WITHIN; tally.received < progress.expected && now() < give_up;)
        pump(SECOND);
    if (tally.received != progress.expected)
        fail("%lld of %d clients saw an event before the cut", (long long)tally.received, options->clients);
}

static void cut_and_miss(const struct phase *phase)
{
    struct progress missed = {0, 0};
    fleet_cut();
    pump_for((int64_t)(phase->seconds * SECOND));
    publish_burst(&missed, (int)phase->value);
    publisher_flush();
    pump_for((int64_t)(phase->seconds * SECOND));
    if (publisher_unanswered())
        fail("Valkey did not take the events in %g s", phase->seconds);
    last_number = published_next() - 1;
    fleet_begin_phase(published_next() - (uint32_t)phase->value);
}

static void print_comeback(const struct options *options, const struct phase *phase,
    const struct reading *spent)
{
    double cpu_us = spent->user_us + spent->system_us;
    printf("{\"name\":\"%s\",\"clients\":%d,\"recovered\":%d,\"complete\":%lld,\"dead\":%d,"
           "\"missed\":%d,\"received\":%lld,\"disorder\":%lld,",
        phase->name, options->clients, tally.recovered, (long long)complete, tally.dead, (int)phase->value,
        (long long)tally.received, (long long)tally.disorder);
    printf("\"seconds\":%.6f,\"cpu_us_per_client\":%.1f,\"generator_cpu_percent\":%.1f,"
           "\"p50_us\":%lld,\"p99_us\":%lld}\n",
        (double)histogram_max() / 1e6, cpu_us / options->clients,
        (double)spent->own_cpu / (double)spent->at * 100, (long long)histogram_percentile(0.5),
        (long long)histogram_percentile(0.99));
    fflush(stdout);
}

void comeback_run(const struct options *options, const struct phase *phase)
{
    see_one(options);
    cut_and_miss(phase);
    histogram_reset();
    complete = 0;
    fleet_tell(on_event);
    struct reading before = reading_take();
    began = before.at;
    int64_t give_up = now() + (int64_t)(options->drain * SECOND);
    while (complete + tally.dead < options->clients && now() < give_up) {
        fleet_connect_more(options->clients, options->clients);
        pump(SECOND);
    }
    struct reading spent = reading_since(&before);
    pump_for(TOO_MANY);
    fleet_tell(0);
    print_comeback(options, phase, &spent);
}
