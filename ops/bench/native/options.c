#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "procfs.h"

static const struct option KNOWN[] = {
    {"port", required_argument, 0, 'p'},       {"namespace", required_argument, 0, 'n'},
    {"room", required_argument, 0, 'r'},       {"payloads", required_argument, 0, 'l'},
    {"clients", required_argument, 0, 'c'},    {"connecting", required_argument, 0, 'g'},
    {"redis-port", required_argument, 0, 'd'}, {"stream", required_argument, 0, 's'},
    {"after", required_argument, 0, 'a'},      {"server-pid", required_argument, 0, 'i'},
    {"phase", required_argument, 0, 'f'},      {"drain", required_argument, 0, 'w'},
    {"settle", required_argument, 0, 't'},     {"warm", required_argument, 0, 'm'},
    {"unicast", no_argument, 0, 'u'},          {0, 0, 0, 0},
};

// NAME=KIND:VALUE:SECONDS; what the value is depends on the kind
static struct phase parse_phase(char *text)
{
    struct phase phase = {.name = text};
    char kind[16];
    char *equals = strchr(text, '=');
    if (!equals || sscanf(equals + 1, "%15[a-z]:%lf:%lf", kind, &phase.value, &phase.seconds) != 3)
        fail("--phase %s: write NAME=KIND:VALUE:SECONDS", text);
    *equals = 0;
    if (strcmp(kind, "window") == 0)
        phase.kind = PHASE_WINDOW;
    else if (strcmp(kind, "rate") == 0)
        phase.kind = PHASE_RATE;
    else if (strcmp(kind, "burst") == 0)
        phase.kind = PHASE_BURST;
    else if (strcmp(kind, "comeback") == 0)
        phase.kind = PHASE_COMEBACK;
    else if (strcmp(kind, "unheard") == 0)
        phase.kind = PHASE_UNHEARD;
    else
        fail("--phase %s: the kind is window, rate, burst, comeback or unheard, not %s", text, kind);
    if (phase.value <= 0 || phase.seconds <= 0)
        fail("--phase %s: both numbers must be above zero", text);
    return phase;
}

static void take(struct options *options, int letter, char *value)
{
    switch (letter) {
    case 'p': options->port = atoi(value); break;
    case 'n': options->nsp = value; break;
    case 'r': options->room = value; break;
    case 'l': options->payloads = value; break;
    case 'c': options->clients = atoi(value); break;
    case 'g': options->connecting = atoi(value); break;
    case 'd': options->redis_port = atoi(value); break;
    case 's': options->stream = value; break;
    case 'a': options->after = atoll(value); break;
    case 'm': options->warm = atoi(value); break;
    case 'u': options->unicast = true; break;
    case 't': options->settle = atof(value); break;
    case 'w': options->drain = atof(value); break;
    case 'i': procfs_watch(atoi(value)); break;
    case 'f':
        if (options->phase_count == MAX_PHASES)
            fail("more than %d phases", MAX_PHASES);
        options->phases[options->phase_count++] = parse_phase(value);
        break;
    default: exit(2); // getopt has said why
    }
}

struct options options_parse(int argc, char **argv)
{
    struct options options = {
        .nsp = "/feed", .room = "feed", .clients = 100, .connecting = 50, .settle = 1, .drain = 10,
        .redis_password = getenv("LOADGEN_REDIS_PASSWORD"),
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", KNOWN, 0)) != -1)
        take(&options, letter, optarg);
    if (optind < argc)
        fail("unknown argument %s", argv[optind]);
    if (!options.port || !options.redis_port || !options.stream || !options.payloads)
        fail("--port, --redis-port, --stream and --payloads are needed");
    if (options.clients < 1 || options.connecting < 1)
        fail("--clients and --connecting must be at least 1");
    if (options.warm < 0 || options.warm >= options.clients)
        fail("--warm must be fewer than --clients");
    return options;
}
