#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = {
    .mode = "fanout",
    .clients = 100,
    .concurrency = 50,
    .window = 1,
    .warmup_s = 1,
    .seconds = 3,
    .padding = 100,
    .others = "",
    .subject = "",
    .headers = "",
    .payload = "{\"patient_id\":\"p%ROOM%\",\"field\":\"notes\",\"seq\":%SEQ%,\"ts\":%TIME%,\"value\":\"%PAD%\"}",
    .query = "",
    .header = "",
    .join = "[\"join_patient_room\",{\"patient_id\":\"p%ROOM%\"}]",
    .update = "[\"field_update\",{\"patient_id\":\"p%ROOM%\",\"field\":\"notes\",\"seq\":%SEQ%,\"ts\":%TIME%,"
              "\"value\":\"%PAD%\"}]",
    .received = "field_updated",
};

static const struct {
    const char *name;
    char kind; /* integer, double or text */
    void *into;
    const char *help;
} table[] = {
    {"mode", 't', &options.mode, "fanout (updates to rooms), life (connect, rest, disconnect), path or calls (until answered)"},
    {"port", 'i', &options.port, "of the server, on 127.0.0.1"},
    {"pid", 'i', &options.pid, "of the server, for its CPU time and memory"},
    {"others", 't', &options.others, "pids of what works for it, separated by commas"},
    {"clients", 'i', &options.clients, "how many"},
    {"concurrency", 'i', &options.concurrency, "connections that are being made at once"},
    {"rooms", 'i', &options.rooms, "that are joined; 0: none"},
    {"members", 'i', &options.members, "of each room"},
    {"slow", 'i', &options.slow, "members of the first room that stop reading"},
    {"rate", 'd', &options.rate, "updates per second; 0: as many as --window allows"},
    {"window", 'i', &options.window, "updates, or calls, in flight"},
    {"warmup", 'd', &options.warmup_s, "seconds before the measurement"},
    {"seconds", 'd', &options.seconds, "of the measurement"},
    {"padding", 'i', &options.padding, "bytes of %PAD%"},
    {"nats", 'i', &options.nats, "port of a NATS server to which updates are published; 0: a member emits them"},
    {"subject", 't', &options.subject, "of an update or call by NATS"},
    {"headers", 't', &options.headers, "of an update or call by NATS, separated by |"},
    {"payload", 't', &options.payload, "of an update or call by NATS"},
    {"query", 't', &options.query, "added to the handshake's"},
    {"header", 't', &options.header, "of the handshake, separated by |"},
    {"join", 't', &options.join, "event that joins a room; it is acknowledged"},
    {"update", 't', &options.update, "event that makes an update"},
    {"received", 't', &options.received, "name of the event by which members receive one"},
};
enum { OPTIONS = sizeof table / sizeof *table };

static void usage(void)
{
    fprintf(stderr, "usage: load --port N --pid N [--mode MODE] ...   prints one JSON object\n");
    for (int i = 0; i < OPTIONS; i++) fprintf(stderr, "  --%-12s %s\n", table[i].name, table[i].help);
    fprintf(stderr, "texts may hold %%ROOM%% %%CLIENT%% %%SEQ%% %%TIME%% (us) %%PAD%%\n");
    exit(2);
}

static void set(const char *name, const char *value)
{
    for (int i = 0; i < OPTIONS; i++) {
        if (strcmp(name, table[i].name)) continue;
        if (table[i].kind == 'i') *(int *)table[i].into = atoi(value);
        if (table[i].kind == 'd') *(double *)table[i].into = atof(value);
        if (table[i].kind == 't') *(const char **)table[i].into = value;
        return;
    }
    usage();
}

void options_read(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (strncmp(argv[i], "--", 2) || i + 1 == argc) usage();
        set(argv[i] + 2, argv[i + 1]);
    }
    if (!options.port || !options.pid || options.padding < 0 || options.padding > TEMPLATE_BYTES_MAX / 2) usage();
    if (options.rooms * options.members > options.clients) options.clients = options.rooms * options.members;
}
