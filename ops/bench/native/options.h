// Owns the command line.
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

#define MAX_PHASES 16

enum phase_kind {
    PHASE_WINDOW, // keep that many events under way: as fast as the server delivers
    PHASE_RATE,   // that many deliveries a second
};

struct phase {
    const char *name;
    enum phase_kind kind;
    double value;
    double seconds;
};

struct options {
    int port;             // of the server
    const char *nsp;      // namespace
    const char *room;     // every client is in it
    const char *payloads; // file of CONNECT payloads, one JSON a line; client i sends line i, round and round
    int clients;
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
