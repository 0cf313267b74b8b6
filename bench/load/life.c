/* Connections alone: what it costs to make them, to keep them and to lose them all at once. */
#include "load.h"

#include <stdio.h>

void mode_life(void)
{
    double rest = server_rest(2), quiet_s, before = server_cpu_us();
    long empty_kb = server_rss_kb();
    uint64_t began = now_us();
    clients_connect_all();
    double seconds = (double)(now_us() - began) / 1e6;
    double connect_us = server_quiet(before, began, rest, &quiet_s);
    long full_kb = server_rss_kb();
    double busy = server_rest(options.seconds), count = (double)ready;
    long later_kb = server_rss_kb();
    uint64_t lost = disconnected;
    printf("{\"clients\":%.0f,\"connects_per_s\":%.1f,\"cpu_us_per_connect\":%.1f,\"p50_us\":%lu,\"p99_us\":%lu,", count,
           count / seconds, connect_us / count, histogram_at(&connecting, .5), histogram_at(&connecting, .99));
    printf("\"empty_kb\":%ld,\"kb_per_client\":%.3f,\"kb_per_client_later\":%.3f,", empty_kb,
           (double)(full_kb - empty_kb) / count, (double)(later_kb - empty_kb) / count);
    printf("\"rest_us_per_s\":%.0f,\"idle_us_per_client_s\":%.3f,", rest, (busy - rest) / count);
    before = server_cpu_us();
    began = now_us();
    for (int i = 0; i < options.clients; i++) client_close(&clients[i]);
    double disconnect_us = server_quiet(before, began, busy, &quiet_s);
    printf("\"cpu_us_per_disconnect\":%.1f,\"quiet_after_s\":%.2f,\"disconnected\":%lu}\n", disconnect_us / count, quiet_s,
           lost);
}
