/* A Socket.IO load generator (Engine.IO v4 over WebSocket): what its files share. One thread, one epoll; all times in
 * microseconds of the monotonic clock. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* options.c: what the command line says */

struct options {
    const char *mode; /* fanout, life, path or calls */
    int port;
    int pid; /* of the server: its CPU time and memory are what is measured */
    const char *others; /* pids of the other processes at work, separated by commas */
    int clients, concurrency;
    int rooms, members; /* of each room; rooms 0: nobody joins anything */
    int slow;           /* members of the first room that stop reading once they are in */
    double rate;        /* updates per second; 0: as fast as `window` allows */
    int window;         /* updates in flight */
    double warmup_s, seconds;
    int padding; /* bytes of %PAD% */
    int nats;    /* port; 0: updates are emitted by the first member of each room */
    const char *subject, *headers, *payload; /* of an update by NATS; `headers` separated by | */
    const char *query, *header;              /* of the handshake; `header` separated by | */
    const char *join, *update, *received;    /* events: templates, and the name of what members receive */
};
extern struct options options;
void options_read(int argc, char **argv);

/* template.c: text with %ROOM% %CLIENT% %SEQ% %TIME% %PAD% */

enum { TEMPLATE_BYTES_MAX = 1 << 16 };
struct values {
    int room, client;
    uint64_t seq, time_us;
};
size_t template_fill(char *into, const char *template, const struct values *values);
uint64_t number_after(const char *name, const char *text, size_t size); /* 0: it is not there */

/* measure.c */

struct histogram {
    uint64_t buckets[64 * 32], count, max;
};
void histogram_add(struct histogram *, uint64_t value);
uint64_t histogram_at(const struct histogram *, double fraction);
uint64_t now_us(void);
double server_cpu_us(void); /* of all its threads, user and system, since its start */
double own_cpu_us(void);
double all_cpu_us(void); /* of the server, the others and this process */
long server_rss_kb(void);

/* buffer.c: bytes on their way in or out */

struct buffer {
    uint8_t *bytes;
    size_t size, capacity;
};
void buffer_append(struct buffer *, const void *bytes, size_t size);
void buffer_drop(struct buffer *, size_t size); /* the first ones */

/* client.c: one connection each */

enum state { CONNECTING, UPGRADING, OPENING, ADMITTING, JOINING, READY, CLOSED };
struct client {
    enum state state;
    int fd, index, room; /* room -1: none */
    bool slow;
    struct buffer in, out; /* the beginning of a frame; what the socket did not take */
    uint64_t began_us;
    int64_t last_seq;
};
extern struct client *clients;
extern struct histogram connecting; /* from connect() until ready */
extern uint64_t ready, failed, disconnected;
void clients_make(int count);
void clients_connect_all(void);
void client_start(struct client *);
void client_emit(struct client *, const char *template, uint64_t seq, int ack);
void client_close(struct client *);

/* what a mode does with what members get: an event, and the answer to what they emitted with an ack id */

extern struct traffic {
    void (*received)(struct client *, const char *packet, size_t size);
    void (*acknowledged)(int ack, const char *packet, size_t size);
} traffic;
bool is_update(const char *packet, size_t size); /* an event of the name `--received` */

/* nats.c: publishes, and asks */

void nats_connect(void);
void nats_publish(const struct values *);
void nats_ask(const struct values *, int slot); /* the answer goes to the function given here, by its slot */
void nats_listen(void (*answered)(int slot, const char *answer, size_t size));
void nats_flush(void);

/* loop.c */

void loop_open(void);
void loop_watch(int fd, uint32_t events, struct client *, bool again);
void loop_forget(int fd);
void loop_turn(uint64_t wait_us);
void loop_run(double seconds);
void fail(const char *what) __attribute__((noreturn));

/* rest.c */

double server_rest(double seconds);
double server_quiet(double before_us, uint64_t began_us, double rest, double *seconds);

/* the modes; each prints one JSON object */

void mode_fanout(void); /* updates to rooms */
void mode_life(void);   /* connect, rest, disconnect */
void mode_path(void);   /* rooms at work: acknowledgement and last receipt of each update */
void mode_calls(void);  /* the same calls over NATS, without an edge */

#endif
