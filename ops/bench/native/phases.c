#define _GNU_SOURCE
#include "phases.h"

#include <stdio.h>

#include "clock.h"
#include "comeback.h"
#include "fleet.h"
#include "histogram.h"
#include "publisher.h"
#include "pump.h"
#include "reading.h"
#include "unheard.h"

#define PAUSE_BETWEEN (200 * MILLISECOND)
#define NOTHING_DUE SECOND

static const struct options *options;
static uint32_t next_number = 1;

uint32_t published_next(void) { return next_number; }

static int64_t deliveries_per_event(void) { return options->unicast && tally.ready ? 1 : tally.ready; }

void publish(struct progress *progress)
{
    publisher_append(next_number++);
    progress->published++;
    progress->expected += deliveries_per_event();
}

void publish_burst(struct progress *progress, int events)
{
    publisher_begin_burst();
    for (int i = 0; i < events; i++)
        publish(progress);
    publisher_end_burst(events);
}

// Publishes what is due by now and says how long nothing will be, in ns.
static int64_t publish_due(const struct phase *phase, struct progress *progress, int64_t elapsed)
{
    int64_t each = deliveries_per_event();
    int64_t under_way = progress->expected - tally.received;
    if (!each)
        return NOTHING_DUE;
    if (phase->kind == PHASE_RATE) {
        double interval = (double)SECOND * (double)each / phase->value;
        while ((double)progress->published * interval <= (double)elapsed)
            publish(progress);
        return (int64_t)((double)progress->published * interval - (double)elapsed);
    }
    if (phase->kind == PHASE_BURST && under_way <= (int64_t)phase->value * each)
        publish_burst(progress, (int)phase->value);
    for (; phase->kind == PHASE_WINDOW && under_way <= ((int64_t)phase->value - 1) * each; under_way += each)
        publish(progress);
    return NOTHING_DUE;
}

static struct progress drive(const struct phase *phase, int64_t begin)
{
    struct progress progress = {0, 0};
    pump_stay_awake(phase->kind == PHASE_WINDOW);
    int64_t length = (int64_t)(phase->seconds * SECOND);
    for (int64_t elapsed; (elapsed = now() - begin) < length;) {
        int64_t wait = publish_due(phase, &progress, elapsed);
        publisher_flush();
        pump(wait);
    }
    pump_stay_awake(false);
    return progress;
}

static void print_phase(const struct phase *phase, const struct progress *progress, double per_second,
    const struct reading *spent)
{
    double received = tally.received ? (double)tally.received : 1;
    double wall_us = (double)spent->at / 1000;
    double server_us = spent->user_us + spent->system_us;
    printf("{\"name\":\"%s\",\"published\":%lld,\"expected\":%lld,\"received\":%lld,"
           "\"disorder\":%lld,\"dead\":%d,",
        phase->name, (long long)progress->published, (long long)progress->expected, (long long)tally.received,
        (long long)tally.disorder, tally.dead);
    printf("\"deliveries_per_second\":%.0f,\"cpu_us_per_delivery\":%.3f,\"user_us_per_delivery\":%.3f,"
           "\"system_us_per_delivery\":%.3f,\"server_cpu_percent\":%.1f,\"generator_cpu_percent\":%.1f,",
        per_second, server_us / received, spent->user_us / received, spent->system_us / received,
        server_us / wall_us * 100, (double)spent->own_cpu / 1000 / wall_us * 100);
    printf("\"p50_us\":%lld,\"p90_us\":%lld,\"p99_us\":%lld,\"max_us\":%lld}\n",
        (long long)histogram_percentile(0.5), (long long)histogram_percentile(0.9),
        (long long)histogram_percentile(0.99), (long long)histogram_max());
    fflush(stdout);
}

static void run_phase(const struct phase *phase)
{
    histogram_reset();
    fleet_begin_phase(next_number);
    struct reading before = reading_take();
    struct progress progress = drive(phase, before.at);
    double per_second = (double)tally.received * SECOND / (double)(now() - before.at);
    int64_t give_up = now() + (int64_t)(options->drain * SECOND);
    while ((tally.received < progress.expected || publisher_unanswered()) && now() < give_up)
        pump(NOTHING_DUE);
    struct reading spent = reading_since(&before);
    print_phase(phase, &progress, per_second, &spent);
    pump_for(PAUSE_BETWEEN);
}

void phases_run(const struct options *given)
{
    options = given;
    for (int i = 0; i < options->phase_count; i++) {
        if (options->phases[i].kind == PHASE_COMEBACK)
            comeback_run(options, &options->phases[i]);
        else if (options->phases[i].kind == PHASE_UNHEARD)
            unheard_run(options, &options->phases[i]);
        else
            run_phase(&options->phases[i]);
    }
}
