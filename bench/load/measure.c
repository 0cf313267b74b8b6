#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* Log-linear: 32 buckets per doubling, so a value is known to about 3%. */
void histogram_add(struct histogram *h, uint64_t value)
{
    int shift = value < 32 ? 0 : 59 - __builtin_clzll(value);
    h->buckets[shift * 32 + (int)(value >> shift)]++;
    h->count++;
    if (value > h->max) h->max = value;
}

uint64_t histogram_at(const struct histogram *h, double fraction)
{
    uint64_t wanted = (uint64_t)((double)h->count * fraction), seen = 0;
    for (int i = 0; i < 64 * 32; i++) {
        seen += h->buckets[i];
        if (seen > wanted) return (uint64_t)(i % 32) << (i / 32);
    }
    return h->max;
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t now_us(void) { return clock_us(CLOCK_MONOTONIC); }

static double cpu_us(int pid)
{
    clockid_t clock; /* finer than /proc, which counts in hundredths of a second */
    if (clock_getcpuclockid(pid, &clock)) fail("the server has ended");
    return (double)clock_us(clock);
}

double server_cpu_us(void) { return cpu_us(options.pid); }

double own_cpu_us(void) { return (double)clock_us(CLOCK_PROCESS_CPUTIME_ID); }

double all_cpu_us(void)
{
    double sum = server_cpu_us() + own_cpu_us();
    for (const char *at = options.others; *at; at += strcspn(at, ","), at += *at == ',') sum += cpu_us(atoi(at));
    return sum;
}

long server_rss_kb(void)
{
    char path[64], line[256];
    long found = 0;
    snprintf(path, sizeof path, "/proc/%d/status", options.pid);
    FILE *file = fopen(path, "r");
    if (!file) fail("the server has ended");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &found) == 1) break;
    fclose(file);
    return found;
}
