#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

void client_event(struct client *, uint32_t events); /* client.c */
void nats_event(void);                               /* nats.c */

static int poll_fd;

void fail(const char *what)
{
    fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

void loop_open(void) { poll_fd = epoll_create1(0); }

/* `client` NULL: the connection to NATS. */
void loop_watch(int fd, uint32_t events, struct client *client, bool again)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(poll_fd, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

void loop_forget(int fd) { epoll_ctl(poll_fd, EPOLL_CTL_DEL, fd, NULL); }

void loop_turn(uint64_t wait_us)
{
    struct epoll_event events[512];
    struct timespec wait = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};
    int count = epoll_pwait2(poll_fd, events, 512, &wait, NULL);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        if (client)
            client_event(client, events[i].events);
        else
            nats_event();
    }
}

void loop_run(double seconds)
{
    uint64_t end = now_us() + (uint64_t)(seconds * 1e6);
    for (uint64_t now; (now = now_us()) < end;) loop_turn(end - now < 50000 ? end - now : 50000);
}
