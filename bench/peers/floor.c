/* The floor: the least that a server of this kind can do. For each update it builds one frame and calls send() once for
 * each member of the room. Handshakes are answered with constants; there are no timers, checks, queues or encryption.
 *
 * usage: floor PORT [NATS_PORT]    updates come from a member, or from NATS under log.sync.room.p<number>.record */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20, ROOMS_MAX = 20000 };
struct connection {
    int fd, room, upgraded;
    uint8_t *kept; /* the beginning of a frame */
    size_t size;
};
struct room {
    int *fds, count, capacity;
};

static int poll_fd, listener, nats = -1;
static uint8_t bytes[READ_BYTES];
static struct room rooms[ROOMS_MAX];

static size_t head_of(uint8_t *frame, size_t size)
{
    frame[0] = 0x81;
    frame[1] = (uint8_t)(size < 126 ? size : 126);
    if (size < 126) return 2;
    frame[2] = (uint8_t)(size >> 8);
    frame[3] = (uint8_t)size;
    return 4;
}

static void send_text(int fd, const char *text)
{
    uint8_t frame[1024];
    size_t size = strlen(text), head = head_of(frame, size);
    memcpy(frame + head, text, size);
    send(fd, frame, head + size, MSG_NOSIGNAL);
}

/* `body` is the event's argument with what closes the array: `{...}]` from a member, `{...}` from NATS. */
static void broadcast(int room, const char *body, size_t size, const char *end)
{
    static uint8_t frame[1 << 17];
    static const char name[] = "42[\"field_updated\",";
    size_t whole = sizeof name - 1 + size + strlen(end), head = head_of(frame, whole);
    memcpy(frame + head, name, sizeof name - 1);
    memcpy(frame + head + sizeof name - 1, body, size);
    memcpy(frame + head + sizeof name - 1 + size, end, strlen(end));
    for (int i = 0; i < rooms[room].count; i++) send(rooms[room].fds[i], frame, head + whole, MSG_NOSIGNAL);
}

static int room_in(const char *text, size_t size, const char *before)
{
    const char *found = memmem(text, size, before, strlen(before));
    int room = found ? atoi(found + strlen(before)) : 0;
    return room >= 0 && room < ROOMS_MAX ? room : 0;
}

static void join(struct connection *connection, int number)
{
    struct room *room = &rooms[connection->room = number];
    if (room->count == room->capacity) {
        room->capacity = room->capacity * 2 + 8;
        room->fds = realloc(room->fds, sizeof *room->fds * (size_t)room->capacity);
    }
    room->fds[room->count++] = connection->fd;
}

static void on_packet(struct connection *connection, char *packet, size_t size)
{
    if (size == 2 && !memcmp(packet, "40", 2)) {
        send_text(connection->fd, "40{\"sid\":\"abcdefghijklmnopqrst\"}");
        return;
    }
    char *array = memchr(packet, '[', size);
    if (size < 8 || memcmp(packet, "42", 2) || !array) return;
    size_t rest = size - (size_t)(array - packet);
    int room = room_in(array, rest, "\"patient_id\":\"p");
    if (rest > 5 && !memcmp(array, "[\"join", 6)) join(connection, room);
    char *body = memchr(array, '{', rest);
    if (rest > 14 && !memcmp(array, "[\"field_update\"", 15) && body)
        broadcast(room, body, size - (size_t)(body - packet), "");
    if (array > packet + 2) {
        char ack[64];
        snprintf(ack, sizeof ack, "43%.*s[]", (int)(array - packet - 2), packet + 2);
        send_text(connection->fd, ack);
    }
}

static size_t upgrade(struct connection *connection, const uint8_t *request, size_t size)
{
    const uint8_t *end = memmem(request, size, "\r\n\r\n", 4);
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"; /* of the RFC's key */
    if (!end) return 0;
    connection->upgraded = 1;
    send(connection->fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    send_text(connection->fd, "0{\"sid\":\"abcdefghijklmnopqrst\",\"upgrades\":[],\"pingTimeout\":20000,"
                              "\"pingInterval\":25000,\"maxPayload\":1000000}");
    return (size_t)(end - request) + 4;
}

static size_t consume(struct connection *connection, uint8_t *data, size_t size)
{
    size_t at = connection->upgraded ? 0 : upgrade(connection, data, size);
    while (connection->upgraded && size - at >= 6) {
        size_t length = data[at + 1] & 127, head = length == 126 ? 4 : 2;
        if (head == 4) length = (size_t)(data[at + 2] << 8 | data[at + 3]);
        if (size - at < head + 4 + length) break;
        uint8_t *mask = data + at + head, *payload = mask + 4;
        for (size_t i = 0; i < length; i++) payload[i] ^= mask[i & 3];
        if ((data[at] & 15) == 1) on_packet(connection, (char *)payload, length);
        at += head + 4 + length;
    }
    return at;
}

static void drop(struct connection *connection)
{
    struct room *room = &rooms[connection->room < 0 ? 0 : connection->room];
    for (int i = 0; connection->room >= 0 && i < room->count; i++)
        if (room->fds[i] == connection->fd) room->fds[i] = room->fds[--room->count];
    close(connection->fd);
    free(connection->kept);
    free(connection);
}

/* What is readable, behind what was kept: its size; 0 when the connection has ended. */
static size_t fill(int fd, uint8_t *kept, size_t size)
{
    if (size) memcpy(bytes, kept, size);
    ssize_t got = recv(fd, bytes + size, READ_BYTES - size - 1, 0);
    return got > 0 ? size + (size_t)got : errno == EAGAIN && got < 0 ? size : 0;
}

static void keep(uint8_t **kept, size_t *size, size_t consumed, size_t whole)
{
    *size = whole - consumed;
    if (!*size) return;
    *kept = realloc(*kept, *size);
    memcpy(*kept, bytes + consumed, *size);
}

static void watch(int fd, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(void)
{
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct connection *connection = calloc(1, sizeof *connection);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connection->fd = fd;
        connection->room = -1;
        watch(fd, connection);
    }
}

/* HMSG <subject> <sid> <header bytes> <bytes>, MSG <subject> <sid> <bytes> */
static void on_nats(void)
{
    static uint8_t *kept;
    static size_t kept_size;
    size_t size = fill(nats, kept, kept_size), at = 0;
    if (!size) exit(1);
    for (uint8_t *end; (end = memmem(bytes + at, size - at, "\r\n", 2));) {
        char *line = (char *)bytes + at;
        size_t body = (size_t)(end + 2 - bytes), head_bytes = 0, all_bytes = 0;
        int room = 0;
        *end = 0;
        if (sscanf(line, "HMSG log.sync.room.p%d.record %*d %zu %zu", &room, &head_bytes, &all_bytes) == 3) {
            *end = '\r';
            if (size - body < all_bytes + 2) break;
            broadcast(room, (char *)bytes + body + head_bytes, all_bytes - head_bytes, "]");
            body += all_bytes + 2;
        } else if (!strcmp(line, "PING")) {
            send(nats, "PONG\r\n", 6, MSG_NOSIGNAL);
        }
        at = body;
    }
    keep(&kept, &kept_size, at, size);
}

static void subscribe(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *hello = "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB log.sync.room.*.record 1\r\n";
    nats = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(nats, (void *)&address, sizeof address)) {
        perror("NATS");
        exit(1);
    }
    send(nats, hello, strlen(hello), MSG_NOSIGNAL);
    watch(nats, &nats);
}

static void listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        exit(1);
    }
    watch(listener, &listener);
}

static void on_client(struct connection *connection)
{
    size_t size = fill(connection->fd, connection->kept, connection->size);
    if (size)
        keep(&connection->kept, &connection->size, consume(connection, bytes, size), size);
    else
        drop(connection);
}

int main(int argc, char **argv)
{
    struct epoll_event events[512];
    if (argc < 2) return 2;
    poll_fd = epoll_create1(0);
    if (argc > 2) subscribe(atoi(argv[2]));
    listen_on(atoi(argv[1]));
    for (;;) {
        int count = epoll_wait(poll_fd, events, 512, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &listener)
                accept_all();
            else if (events[i].data.ptr == &nats)
                on_nats();
            else
                on_client(events[i].data.ptr);
        }
    }
}
