/* A player's socket: connect, handshake, frames both ways (RFC 6455). */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

static char input[1 << 18];

/* So many connections leave from one address before the next one is used. */
#define PER_ADDRESS 16000

void seat_connect(struct seat *seat, int epoll, int number, int port)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    int one = 1;
    seat->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (seat->fd < 0) {
        fail(seat, "no socket: %s", strerror(errno));
        seat->phase = CLOSED;
        return;
    }
    setsockopt(seat->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(seat->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / PER_ADDRESS));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    seat->phase = CONNECTING;
    if (bind(seat->fd, (struct sockaddr *)&from, sizeof from) ||
        (connect(seat->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
        fail(seat, "cannot connect: %s", strerror(errno));
        seat->phase = CLOSED;
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = seat};
    epoll_ctl(epoll, EPOLL_CTL_ADD, seat->fd, &event);
}

/* A client masks with a fresh mask (a mask of zeros would spare some servers their work). */
static uint32_t next_mask(void)
{
    static uint32_t state = 0x9e3779b9;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

void seat_send(struct seat *seat, const char *payload, size_t size, int opcode)
{
    unsigned char frame[1024];
    size_t head = 2;
    if (size > sizeof frame - 8)
        abort();
    frame[0] = (unsigned char)(0x80 | opcode);
    if (size < 126) {
        frame[1] = (unsigned char)(0x80 | size);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (unsigned char)(size >> 8);
        frame[3] = (unsigned char)size;
        head = 4;
    }
    uint32_t mask = next_mask();
    const unsigned char *masks = (const unsigned char *)&mask;
    memcpy(frame + head, masks, 4);
    for (size_t i = 0; i < size; i++)
        frame[head + 4 + i] = (unsigned char)payload[i] ^ masks[i & 3];
    size_t whole = head + 4 + size;
    if (send(seat->fd, frame, whole, MSG_NOSIGNAL) != (ssize_t)whole)
        fail(seat, "cannot send: %s", strerror(errno));
}

static void shake(struct seat *seat)
{
    /* The key is the RFC's example: the C server then needs no SHA-1. */
    char request[512];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        seat->path);
    seat->phase = SHAKING;
    if (send(seat->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        fail(seat, "cannot send its handshake: %s", strerror(errno));
}

static void lose(struct seat *seat, const char *why)
{
    fail(seat, "%s", why);
    seat->phase = CLOSED;
    close(seat->fd);
}

/* Take the server's handshake; returns how much of the input it was, 0 if it is not whole. */
static size_t take_head(struct seat *seat, const char *data, size_t size)
{
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (size < 12 || memcmp(data + 9, "101", 3)) {
        char status[64] = "";
        snprintf(status, sizeof status, "handshake refused: %.*s", 40, data);
        status[strcspn(status, "\r\n")] = 0;
        lose(seat, status);
        return 0;
    }
    seat->phase = JOINING;
    talk_open(seat);
    return (size_t)(end - data) + 4;
}

/* Take one frame; returns its size, 0 if it is not whole. */
static size_t take_frame(struct seat *seat, const unsigned char *data, size_t size)
{
    size_t head = 2, length;
    if (size < 2)
        return 0;
    length = data[1];
    if (length == 126) {
        head = 4;
        length = size < 4 ? 0 : (size_t)data[2] << 8 | data[3];
    } else if (length > 126) {
        lose(seat, "a frame that no server of cards sends");
        return 0;
    }
    if (size < head + length)
        return 0;
    const char *payload = (const char *)data + head;
    switch (data[0]) {
    case 0x80 | TEXT:
    case 0x80 | BINARY:
        talk_hear(seat, payload, length);
        break;
    case 0x80 | PING:
        seat_send(seat, payload, length, PONG);
        break;
    case 0x80 | PONG:
        break;
    default:
        lose(seat, data[0] == (0x80 | CLOSE) ? "closed by the server" : "a strange frame");
        return 0;
    }
    return head + length;
}

static void keep(struct seat *seat, const char *data, size_t size)
{
    char *rest = NULL;
    if (size) {
        rest = malloc(size);
        if (!rest)
            abort();
        memcpy(rest, data, size);
    }
    free(seat->rest);
    seat->rest = rest;
    seat->rest_size = size;
}

void seat_event(struct seat *seat)
{
    if (seat->phase == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(seat->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error)
            lose(seat, strerror(error));
        else
            shake(seat);
        return;
    }
    if (seat->rest_size > sizeof input / 2) {
        lose(seat, "a message that never ends");
        return;
    }
    if (seat->rest_size)
        memcpy(input, seat->rest, seat->rest_size);
    ssize_t got = recv(seat->fd, input + seat->rest_size, sizeof input - seat->rest_size, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            lose(seat, got == 0 ? "the connection ended" : strerror(errno));
        return;
    }
    size_t size = seat->rest_size + (size_t)got, at = 0, taken;
    do {
        taken = seat->phase == SHAKING
                    ? take_head(seat, input + at, size - at)
                    : take_frame(seat, (const unsigned char *)input + at, size - at);
        at += taken;
    } while (taken && seat->phase != CLOSED);
    if (seat->phase == CLOSED)
        return;
    if (seat->rest || at < size)
        keep(seat, input + at, size - at);
    plays_try(seat->room);
}
