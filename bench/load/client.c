#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 }; /* opcodes, RFC 6455 */
enum { READ_BYTES = 1 << 20, STUCK_US = 20000000, SLOW_BUFFER = 4096 };

struct client *clients;
struct histogram connecting;
uint64_t ready, failed, disconnected;

static void no_event(struct client *client, const char *packet, size_t size) { (void)client, (void)packet, (void)size; }
static void no_ack(int ack, const char *packet, size_t size) { (void)ack, (void)packet, (void)size; }
struct traffic traffic = {no_event, no_ack};

bool is_update(const char *packet, size_t size)
{
    static char head[256];
    static size_t head_size;
    if (!head_size) head_size = (size_t)snprintf(head, sizeof head, "42[\"%s\"", options.received);
    return size > head_size && !memcmp(packet, head, head_size);
}

static uint8_t read_bytes[READ_BYTES];

void clients_make(int count)
{
    clients = calloc((size_t)count, sizeof *clients);
    for (int i = 0; i < count; i++) {
        bool joins = options.members && i < options.rooms * options.members;
        clients[i] = (struct client){.state = CLOSED, .fd = -1, .index = i, .last_seq = -1};
        clients[i].room = joins ? i / options.members : -1;
        /* the last members of the first room: never the one that emits */
        clients[i].slow = joins && i < options.members && i >= options.members - options.slow;
    }
}

void client_close(struct client *client)
{
    if (client->state == CLOSED) return;
    if (client->state == READY) {
        disconnected++;
        ready--;
    } else {
        failed++;
    }
    client->state = CLOSED;
    close(client->fd);
    client->in.size = client->out.size = 0;
}

/* --- out ---------------------------------------------------------------------------------------------- */

static void flush(struct client *client)
{
    ssize_t sent = send(client->fd, client->out.bytes, client->out.size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        client_close(client);
        return;
    }
    if (sent > 0) buffer_drop(&client->out, (size_t)sent);
    loop_watch(client->fd, client->out.size ? EPOLLIN | EPOLLOUT : EPOLLIN, client, true);
}

static void write_bytes(struct client *client, const void *bytes, size_t size)
{
    if (client->state == CLOSED) return;
    if (!client->out.size) { /* mostly all of it goes at once */
        ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);
        if (sent == (ssize_t)size) return;
        if (sent > 0) {
            bytes = (const uint8_t *)bytes + sent;
            size -= (size_t)sent;
        }
    }
    buffer_append(&client->out, bytes, size);
    flush(client);
}

static void write_frame(struct client *client, int opcode, const char *payload, size_t size)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    static uint8_t frame[TEMPLATE_BYTES_MAX + 16];
    size_t at = 2;
    frame[0] = (uint8_t)(0x80 | opcode);
    frame[1] = (uint8_t)(0x80 | (size < 126 ? size : 126));
    if (size >= 126) {
        frame[at++] = (uint8_t)(size >> 8);
        frame[at++] = (uint8_t)size;
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < size; i++) frame[at + i] = (uint8_t)payload[i] ^ mask[i & 3];
    write_bytes(client, frame, at + size);
}

/* `ack` -1: none is asked for. */
void client_emit(struct client *client, const char *template, uint64_t seq, int ack)
{
    static char packet[TEMPLATE_BYTES_MAX + 16];
    struct values values = {client->room, client->index, seq, now_us()};
    size_t head = ack < 0 ? (size_t)sprintf(packet, "42") : (size_t)sprintf(packet, "42%d", ack);
    write_frame(client, TEXT, packet, head + template_fill(packet + head, template, &values));
}

/* --- in: the handshakes of WebSocket, Engine.IO and Socket.IO, then events ------------------------------- */

static void is_ready(struct client *client)
{
    client->state = READY;
    ready++;
    histogram_add(&connecting, now_us() - client->began_us);
    if (client->slow) loop_forget(client->fd);
}

static void refused(struct client *client, const char *what, const char *text, size_t size)
{
    if (failed < 3) fprintf(stderr, "load: %s: %.*s\n", what, (int)(size < 300 ? size : 300), text);
    client_close(client);
}

static void is_connected(struct client *client)
{
    if (client->room < 0) {
        is_ready(client);
    } else {
        client->state = JOINING;
        client_emit(client, options.join, 0, 0);
    }
}

static void on_packet(struct client *client, const char *packet, size_t size)
{
    bool ack = size > 2 && packet[0] == '4' && packet[1] == '3';
    if (packet[0] == '2') {
        write_frame(client, TEXT, "3", 1);
    } else if (client->state == OPENING) {
        client->state = ADMITTING;
        write_frame(client, TEXT, "40", 2);
    } else if (client->state == ADMITTING) {
        if (size > 1 && packet[0] == '4' && packet[1] == '0')
            is_connected(client);
        else
            refused(client, "CONNECT was refused", packet, size);
    } else if (ack && client->state == JOINING) {
        if (memmem(packet, size, "\"error\"", 7))
            refused(client, "the join was refused", packet, size);
        else
            is_ready(client);
    } else if (ack) {
        traffic.acknowledged(atoi(packet + 2), packet, size);
    } else {
        traffic.received(client, packet, size);
    }
}

static void on_frame(struct client *client, int opcode, const char *payload, size_t size)
{
    if (opcode == PING) write_frame(client, PONG, payload, size);
    if (opcode == CLOSE) client_close(client);
    if (opcode == TEXT && size) on_packet(client, payload, size);
}

static size_t upgraded(struct client *client, const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(bytes, "HTTP/1.1 101", 12)) {
        refused(client, "the upgrade was refused", (const char *)bytes, size);
        return size;
    }
    client->state = OPENING;
    return (size_t)(end - bytes) + 4;
}

/* How many bytes were consumed. */
static size_t consume(struct client *client, const uint8_t *bytes, size_t size)
{
    size_t at = client->state == UPGRADING ? upgraded(client, bytes, size) : 0;
    while (client->state > UPGRADING && client->state != CLOSED && size - at >= 2) {
        size_t length = bytes[at + 1] & 127, head = length == 126 ? 4 : length == 127 ? 10 : 2;
        if (size - at < head) break;
        if (head > 2) length = 0;
        for (size_t i = 2; i < head; i++) length = length << 8 | bytes[at + i];
        if (size - at < head + length) break;
        on_frame(client, bytes[at] & 15, (const char *)bytes + at + head, length);
        at += head + length;
    }
    return at;
}

static void on_readable(struct client *client)
{
    size_t kept = client->in.size;
    if (kept) memcpy(read_bytes, client->in.bytes, kept);
    ssize_t got = recv(client->fd, read_bytes + kept, READ_BYTES - kept, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        client_close(client);
        return;
    }
    size_t size = kept + (size_t)got, consumed = consume(client, read_bytes, size);
    if (client->state == CLOSED) return;
    client->in.size = 0;
    if (consumed < size) buffer_append(&client->in, read_bytes + consumed, size - consumed);
}

/* --- the connection ------------------------------------------------------------------------------------- */

void client_start(struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, small = SLOW_BUFFER;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->fd < 0) fail("socket");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (client->slow) setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client->state = CONNECTING;
    client->began_us = now_us();
    client->last_seq = -1;
    if (connect(client->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) fail("connect");
    loop_watch(client->fd, EPOLLIN | EPOLLOUT, client, false);
}

static void request_upgrade(struct client *client)
{
    static char request[3 * TEMPLATE_BYTES_MAX], query[TEMPLATE_BYTES_MAX];
    struct values values = {client->room, client->index, 0, 0};
    template_fill(query, options.query, &values);
    int size = sprintf(request,
                       "GET /socket.io/?%s%sEIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                       "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                       query, *query ? "&" : "", options.port);
    for (const char *at = *options.header ? options.header : NULL; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        size += sprintf(request + size, "%.*s\r\n", (int)strcspn(at, "|"), at);
    size += sprintf(request + size, "\r\n");
    client->state = UPGRADING;
    loop_watch(client->fd, EPOLLIN, client, true);
    write_bytes(client, request, (size_t)size);
}

void client_event(struct client *client, uint32_t events)
{
    if (client->state == CLOSED) return;
    if (client->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error)
            refused(client, "the connection was refused", strerror(error), 100);
        else
            request_upgrade(client);
        return;
    }
    if (events & EPOLLOUT && client->out.size) flush(client);
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP) && client->state != CLOSED) on_readable(client);
}

/* All of them, `concurrency` at a time. Ends the program when some fail or nothing moves any more. */
void clients_connect_all(void)
{
    int started = 0;
    uint64_t settled = 0, moved_us = now_us();
    while ((int)settled < options.clients) {
        while (started < options.clients && started - (int)settled < options.concurrency)
            client_start(&clients[started++]);
        loop_turn(100000);
        if (ready + failed + disconnected != settled) {
            settled = ready + failed + disconnected;
            moved_us = now_us();
        }
        errno = 0;
        if (failed || disconnected) fail("a connection was lost while others were being made");
        if (now_us() - moved_us > STUCK_US) fail("connecting does not go on");
    }
}
