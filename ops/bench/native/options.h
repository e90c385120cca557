// Owns the command line.
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_PHASES 16

enum phase_kind {
    PHASE_WINDOW,   // keep that many events under way: as fast as the server delivers
    PHASE_RATE,     // that many deliveries a second
    PHASE_BURST,    // bursts of that many events, each in the stream at once; two of them under way
    PHASE_COMEBACK, // all clients are cut, miss that many events, and come back at once
    PHASE_UNHEARD,  // bursts of that many events, of which only the last is for anybody
};

struct phase {
    const char *name;
    enum phase_kind kind;
    double value;
    double seconds; // of a comeback: left to the server after the cut, and again after the events
};

struct options {
    int port;             // of the server
    const char *nsp;      // namespace
    const char *room;     // every client is in it
    bool unicast;         // each event is for one client, in turn; client 7's room is `room` with a 7 behind
    const char *payloads; // file of CONNECT payloads, one JSON a line; client i sends line i, round and round
    int clients;
    int warm;       // of them connect before the connecting is measured
    int connecting; // connections being made at a time
    int redis_port;
    const char *redis_password; // from LOADGEN_REDIS_PASSWORD; a command line is readable to everyone
    const char *stream;
    int64_t after; // id of the stream's last entry; ours follow it
    double settle; // seconds between the last connect and the look at the server's memory
    double drain;  // seconds to wait after a phase; what has not arrived by then is lost
    struct phase phases[MAX_PHASES];
    int phase_count;
};

struct options options_parse(int argc, char **argv);

#endif
