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

#define INBOX "_INBOX.bench."
enum { READ_BYTES = 1 << 16 };

static int fd = -1;
static struct buffer in, out;
static void (*on_answer)(int slot, const char *answer, size_t size);

static void put(const void *bytes, size_t size) { buffer_append(&out, bytes, size); }

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

/* Queued until `nats_flush`. `reply` is empty, or a subject and a space. */
static void publish(const struct values *values, const char *reply)
{
    static char subject[TEMPLATE_BYTES_MAX], payload[TEMPLATE_BYTES_MAX], filled[TEMPLATE_BYTES_MAX];
    static char headers[2 * TEMPLATE_BYTES_MAX];
    template_fill(subject, options.subject, values);
    size_t size = template_fill(payload, options.payload, values), header_size = 0;
    char line[1024];
    if (*options.headers) {
        header_size = (size_t)sprintf(headers, "NATS/1.0\r\n");
        template_fill(filled, options.headers, values);
        for (const char *at = filled; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
            header_size += (size_t)sprintf(headers + header_size, "%.*s\r\n", (int)strcspn(at, "|"), at);
        header_size += (size_t)sprintf(headers + header_size, "\r\n");
        put(line, (size_t)snprintf(line, sizeof line, "HPUB %s %s%zu %zu\r\n", subject, reply, header_size,
                                    header_size + size));
        put(headers, header_size);
    } else {
        put(line, (size_t)snprintf(line, sizeof line, "PUB %s %s%zu\r\n", subject, reply, size));
    }
    put(payload, size);
    put("\r\n", 2);
}

void nats_publish(const struct values *values) { publish(values, ""); }

void nats_ask(const struct values *values, int slot)
{
    char reply[64];
    snprintf(reply, sizeof reply, INBOX "%d ", slot);
    publish(values, reply);
}

void nats_listen(void (*answered)(int slot, const char *answer, size_t size))
{
    const char *subscribe = "SUB " INBOX "* 1\r\n";
    on_answer = answered;
    put(subscribe, strlen(subscribe));
}

void nats_flush(void)
{
    while (out.size) {
        ssize_t sent = send(fd, out.bytes, out.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) return; /* the rest goes with what comes next */
        if (sent < 0) fail("NATS has gone");
        buffer_drop(&out, (size_t)sent);
    }
}

/* MSG or HMSG: subject, subscription, perhaps a reply, perhaps the headers' size, size. How many bytes; 0: not all. */
static size_t message(const char *line, size_t line_size, size_t left)
{
    const char *last = line + line_size;
    while (last[-1] != ' ') last--;
    size_t head = line_size + 2, size = strtoul(last, NULL, 10);
    if (left < head + size + 2) return 0;
    const char *inbox = memmem(line, line_size, INBOX, strlen(INBOX));
    if (inbox && on_answer) on_answer(atoi(inbox + strlen(INBOX)), line + head, size);
    return head + size + 2;
}

/* One line, with what belongs to it: how many bytes; 0: not all is there. */
static size_t line(const char *bytes, size_t left)
{
    const char *end = memmem(bytes, left, "\r\n", 2);
    if (!end) return 0;
    size_t size = (size_t)(end - bytes);
    if (bytes[0] == 'M' || bytes[0] == 'H') return message(bytes, size, left);
    if (size >= 4 && !memcmp(bytes, "PING", 4)) put("PONG\r\n", 6);
    if (size >= 4 && !memcmp(bytes, "-ERR", 4)) {
        char what[200];
        snprintf(what, sizeof what, "%.*s", (int)size, bytes);
        errno = 0;
        fail(what);
    }
    return size + 2;
}

void nats_event(void)
{
    static char got[READ_BYTES];
    ssize_t size = recv(fd, got, sizeof got, 0);
    if (size == 0) fail("NATS has closed the connection");
    if (size > 0) buffer_append(&in, got, (size_t)size);
    size_t at = 0;
    for (size_t used; at < in.size && (used = line((char *)in.bytes + at, in.size - at)); at += used) {}
    buffer_drop(&in, at);
    nats_flush();
}
