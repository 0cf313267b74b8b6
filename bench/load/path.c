/* Rooms at work: the first member of each updates a field, and again as soon as it has the acknowledgement and every
 * member the event. So there are as many updates in flight as rooms. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_ONES_US = 3000000 };

struct room {
    uint64_t seq, began_us;
    int missing; /* members that have not seen it */
    bool acknowledged;
};

static struct room *rooms;
static struct histogram acks, receipts; /* of the last member */
static uint64_t finished, refused, disordered;
static bool measuring, ending;

static void update(int number)
{
    struct room *room = &rooms[number];
    *room = (struct room){room->seq + 1, now_us(), options.members, false};
    client_emit(&clients[number * options.members], options.update, room->seq, number);
}

static void go_on(int number)
{
    struct room *room = &rooms[number];
    if (!room->acknowledged || room->missing) return;
    if (measuring) finished++;
    if (!ending) update(number);
}

static void acknowledged(int number, const char *packet, size_t size)
{
    struct room *room = &rooms[number];
    if (measuring) histogram_add(&acks, now_us() - room->began_us);
    room->acknowledged = true;
    if (!memmem(packet, size, "\"status\":\"ok\"", 13)) {
        if (!refused++) fprintf(stderr, "load: %.*s\n", (int)(size < 300 ? size : 300), packet);
        room->missing = 0; /* nobody gets what was refused */
    }
    go_on(number);
}

static void received(struct client *client, const char *packet, size_t size)
{
    if (!is_update(packet, size)) return;
    struct room *room = &rooms[client->room];
    if (number_after("\"seq\":", packet, size) != room->seq || client->last_seq == (int64_t)room->seq) {
        disordered++;
        return;
    }
    client->last_seq = (int64_t)room->seq;
    if (--room->missing) return;
    if (measuring) histogram_add(&receipts, now_us() - room->began_us);
    go_on(client->room);
}

static uint64_t unfinished(void)
{
    uint64_t count = 0;
    for (int i = 0; i < options.rooms; i++) count += rooms[i].missing || !rooms[i].acknowledged;
    return count;
}

void mode_path(void)
{
    traffic = (struct traffic){received, acknowledged};
    rooms = calloc((size_t)options.rooms, sizeof *rooms);
    clients_connect_all();
    double quiet_s;
    server_quiet(0, now_us(), 0, &quiet_s); /* what joining has left to do */
    for (int i = 0; i < options.rooms; i++) update(i);
    loop_run(options.warmup_s);
    measuring = true;
    double cpu = server_cpu_us(), all = all_cpu_us();
    uint64_t began = now_us();
    loop_run(options.seconds);
    double us = (double)(now_us() - began), made = (double)finished;
    if (!finished) fail("no update was finished within the measurement");
    cpu = server_cpu_us() - cpu;
    all = all_cpu_us() - all;
    measuring = false;
    ending = true;
    for (uint64_t patience = now_us() + LAST_ONES_US; unfinished() && now_us() < patience;) loop_turn(20000);
    printf("{\"clients\":%d,\"seconds\":%.3f,\"updates\":%.0f,\"updates_per_s\":%.1f,", options.clients, us / 1e6, made,
           made / us * 1e6);
    printf("\"cpu_us_per_update\":%.1f,\"all_cpu_us_per_update\":%.1f,", cpu / made, all / made);
    printf("\"p50_us\":%lu,\"p99_us\":%lu,\"last_p50_us\":%lu,\"last_p99_us\":%lu,",
           histogram_at(&acks, .5), histogram_at(&acks, .99), histogram_at(&receipts, .5), histogram_at(&receipts, .99));
    printf("\"refused\":%lu,\"lost\":%lu,\"disordered\":%lu,\"disconnected\":%lu}\n", refused, unfinished(), disordered,
           disconnected);
}
