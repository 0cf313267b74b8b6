#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int fd = -1;
static struct buffer out;

static void put(const void *bytes, size_t size)
{
    if (out.size + size > out.capacity) {
        out.capacity = (out.size + size) * 2;
        out.bytes = realloc(out.bytes, out.capacity);
    }
    memcpy(out.bytes + out.size, bytes, size);
    out.size += size;
}

void nats_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options.nats),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *hello = "CONNECT {\"verbose\":false,\"headers\":true,\"name\":\"bench\"}\r\n";
    char info[8192];
    int one = 1;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&address, sizeof address)) fail("no NATS server");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (recv(fd, info, sizeof info, 0) <= 0) fail("NATS says nothing");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    put(hello, strlen(hello));
    nats_flush();
    loop_watch(fd, EPOLLIN, NULL, false);
}

/* Queued until `nats_flush`. */
void nats_publish(const struct values *values)
{
    static char subject[TEMPLATE_BYTES_MAX], payload[TEMPLATE_BYTES_MAX], headers[TEMPLATE_BYTES_MAX];
    template_fill(subject, options.subject, values);
    size_t size = template_fill(payload, options.payload, values), header_size = 0;
    char line[1024];
    if (*options.headers) {
        header_size = (size_t)sprintf(headers, "NATS/1.0\r\n");
        for (const char *at = options.headers; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
            header_size += (size_t)sprintf(headers + header_size, "%.*s\r\n", (int)strcspn(at, "|"), at);
        header_size += (size_t)sprintf(headers + header_size, "\r\n");
        put(line, (size_t)snprintf(line, sizeof line, "HPUB %s %zu %zu\r\n", subject, header_size, header_size + size));
        put(headers, header_size);
    } else {
        put(line, (size_t)snprintf(line, sizeof line, "PUB %s %zu\r\n", subject, size));
    }
    put(payload, size);
    put("\r\n", 2);
}

void nats_flush(void)
{
    while (out.size) {
        ssize_t sent = send(fd, out.bytes, out.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) return; /* the rest goes with what comes next */
        if (sent < 0) fail("NATS has gone");
        out.size -= (size_t)sent;
        memmove(out.bytes, out.bytes + sent, out.size);
    }
}

void nats_event(void)
{
    char got[4096];
    ssize_t size = recv(fd, got, sizeof got, 0);
    if (size == 0) fail("NATS has closed the connection");
    if (size > 0 && memmem(got, (size_t)size, "PING", 4)) put("PONG\r\n", 6);
    if (size > 0 && memmem(got, (size_t)size, "-ERR", 4)) {
        got[size < 200 ? size : 200] = 0;
        errno = 0;
        fail(got);
    }
    nats_flush();
}
