/* Calls to a service over NATS, as an edge makes them: `--window` in flight, the next one after each answer. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_ONES_US = 3000000 };

static struct histogram latency;
static uint64_t *began_us, made, answered, refused; /* began_us: by slot; 0: none in flight */
static int in_flight;
static bool measuring, ending;

static void call(int slot)
{
    struct values values = {(int)(made % (uint64_t)options.rooms), 0, made, now_us()};
    made++;
    in_flight++;
    began_us[slot] = values.time_us;
    nats_ask(&values, slot);
}

static void on_answer(int slot, const char *answer, size_t size)
{
    if (slot < 0 || slot >= options.window || !began_us[slot]) fail("an answer that nobody waits for");
    if (!memmem(answer, size, "\"status\":\"ok\"", 13) && !refused++)
        fprintf(stderr, "load: %.*s\n", (int)(size < 300 ? size : 300), answer);
    if (measuring) {
        answered++;
        histogram_add(&latency, now_us() - began_us[slot]);
    }
    began_us[slot] = 0;
    in_flight--;
    if (!ending) call(slot);
}

void mode_calls(void)
{
    began_us = calloc((size_t)options.window, sizeof *began_us);
    nats_connect();
    nats_listen(on_answer);
    for (int slot = 0; slot < options.window; slot++) call(slot);
    nats_flush();
    loop_run(options.warmup_s);
    measuring = true;
    double cpu = server_cpu_us(), all = all_cpu_us();
    uint64_t began = now_us();
    loop_run(options.seconds);
    double us = (double)(now_us() - began), count = (double)answered;
    if (!answered) fail("no call was answered within the measurement");
    cpu = server_cpu_us() - cpu;
    all = all_cpu_us() - all;
    measuring = false;
    ending = true;
    for (uint64_t patience = now_us() + LAST_ONES_US; in_flight && now_us() < patience;) loop_turn(20000);
    printf("{\"seconds\":%.3f,\"updates\":%.0f,\"updates_per_s\":%.1f,", us / 1e6, count, count / us * 1e6);
    printf("\"cpu_us_per_update\":%.1f,\"all_cpu_us_per_update\":%.1f,", cpu / count, all / count);
    printf("\"p50_us\":%lu,\"p99_us\":%lu,\"refused\":%lu,\"lost\":%d}\n",
           histogram_at(&latency, .5), histogram_at(&latency, .99), refused, in_flight);
}
