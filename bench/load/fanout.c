/* Updates to rooms: made at a rate, or so that a number of them is in flight; and what members receive of them. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STALLED_US = 3000000, LAST_ONES_US = 3000000 };

struct count {
    uint64_t updates, deliveries;
    double cpu_us, own_us, at_us;
};

static struct histogram latency;
static uint64_t updates, deliveries, gaps, disordered, stalls, *next_seq;
static int64_t outstanding;
static bool measuring;

static void received(struct client *client, const char *packet, size_t size)
{
    if (!is_update(packet, size)) return;
    int64_t seq = (int64_t)number_after("\"seq\":", packet, size);
    deliveries++;
    outstanding--;
    if (client->last_seq >= 0 && seq <= client->last_seq) disordered++;
    if (client->last_seq >= 0 && seq > client->last_seq + 1) gaps++;
    if (seq > client->last_seq) client->last_seq = seq;
    if (measuring) {
        uint64_t sent_us = number_after("\"ts\":", packet, size), now = now_us();
        histogram_add(&latency, now > sent_us ? now - sent_us : 0);
    }
}

static uint64_t readers(int room) { return (uint64_t)(options.members - (room ? 0 : options.slow)); }

static void update(void)
{
    int room = (int)(updates++ % (uint64_t)options.rooms);
    uint64_t seq = next_seq[room]++;
    if (options.nats) {
        struct values values = {room, 0, seq, now_us()};
        nats_publish(&values);
    } else {
        client_emit(&clients[room * options.members], options.update, seq, -1);
    }
    outstanding += (int64_t)readers(room);
}

/* One turn at a fixed rate: whatever is due since `began_us`. */
static void turn_at_rate(uint64_t began_us)
{
    static uint64_t made;
    uint64_t due = (uint64_t)((double)(now_us() - began_us) / 1e6 * options.rate);
    for (; made < due; made++) update();
    if (options.nats) nats_flush();
    int64_t wait = (int64_t)(began_us + (uint64_t)((double)(made + 1) / options.rate * 1e6)) - (int64_t)now_us();
    loop_turn(wait > 0 ? (uint64_t)wait : 0);
}

/* One turn with `window` updates in flight. What is lost must not stop the run: after a while it is given up. */
static void turn_in_window(void)
{
    static uint64_t seen, moved_us;
    int64_t most = (int64_t)options.window * options.members;
    while (outstanding + options.members <= most) update();
    if (options.nats) nats_flush();
    loop_turn(50000);
    if (deliveries != seen || !moved_us) {
        seen = deliveries;
        moved_us = now_us();
    } else if (now_us() - moved_us > STALLED_US) {
        stalls++;
        outstanding = 0;
        moved_us = now_us();
    }
}

static struct count counted(void)
{
    return (struct count){updates, deliveries, server_cpu_us(), own_cpu_us(), (double)now_us()};
}

static void print(struct count from, struct count to, long rss_before, long rss_after)
{
    double seconds = (to.at_us - from.at_us) / 1e6, cpu = to.cpu_us - from.cpu_us;
    double made = (double)(to.updates - from.updates), received = (double)(to.deliveries - from.deliveries);
    printf("{\"seconds\":%.3f,\"updates\":%.0f,\"deliveries\":%.0f,\"updates_per_s\":%.1f,\"deliveries_per_s\":%.1f,",
           seconds, made, received, made / seconds, received / seconds);
    printf("\"cpu_us_per_update\":%.3f,\"cpu_us_per_delivery\":%.4f,\"deliveries_per_cpu_s\":%.0f,", cpu / made,
           cpu / received, received / cpu * 1e6);
    printf("\"server_busy\":%.3f,\"generator_busy\":%.3f,", cpu / 1e6 / seconds,
           (to.own_us - from.own_us) / 1e6 / seconds);
    printf("\"p50_us\":%lu,\"p99_us\":%lu,\"max_us\":%lu,", histogram_at(&latency, .5), histogram_at(&latency, .99),
           latency.max);
    printf("\"rss_growth_kb\":%ld,\"lost\":%ld,\"gaps\":%lu,\"disordered\":%lu,\"stalls\":%lu,\"disconnected\":%lu}\n",
           rss_after - rss_before, outstanding, gaps, disordered, stalls, disconnected);
}

void mode_fanout(void)
{
    traffic.received = received;
    clients_connect_all();
    next_seq = calloc((size_t)options.rooms, sizeof *next_seq);
    if (options.nats) nats_connect();
    double quiet_s;
    server_quiet(0, now_us(), 0, &quiet_s); /* what joining has left to do */
    long rss_before = server_rss_kb();
    uint64_t began = now_us(), end = began + (uint64_t)((options.warmup_s + options.seconds) * 1e6);
    struct count from = {0};
    while (now_us() < end) {
        if (!measuring && now_us() >= began + (uint64_t)(options.warmup_s * 1e6)) {
            measuring = true;
            from = counted();
        }
        if (options.rate > 0)
            turn_at_rate(began);
        else
            turn_in_window();
    }
    struct count to = counted();
    measuring = false;
    long rss_after = server_rss_kb();
    for (uint64_t patience = now_us() + LAST_ONES_US; outstanding > 0 && now_us() < patience;) loop_turn(20000);
    print(from, to, rss_before, rss_after);
}
