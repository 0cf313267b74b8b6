#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t number_after(const char *name, const char *text, size_t size)
{
    const char *found = memmem(text, size, name, strlen(name));
    return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}

static bool begins(const char *text, const char *name) { return !strncmp(text, name, strlen(name)); }

/* The size of what was written; `into` has TEMPLATE_BYTES_MAX bytes. Templates come from the command line. */
size_t template_fill(char *into, const char *template, const struct values *values)
{
    char *at = into;
    while (*template) {
        if (begins(template, "%ROOM%")) {
            at += sprintf(at, "%d", values->room);
        } else if (begins(template, "%CLIENT%")) {
            at += sprintf(at, "%d", values->client);
        } else if (begins(template, "%SEQ%")) {
            at += sprintf(at, "%llu", (unsigned long long)values->seq);
        } else if (begins(template, "%TIME%")) {
            at += sprintf(at, "%llu", (unsigned long long)values->time_us);
        } else if (begins(template, "%PAD%")) {
            memset(at, 'x', (size_t)options.padding);
            at += options.padding;
        } else {
            *at++ = *template++;
            continue;
        }
        template = strchr(template + 1, '%') + 1;
    }
    *at = 0;
    return (size_t)(at - into);
}
