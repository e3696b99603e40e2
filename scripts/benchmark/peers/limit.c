/* The limit: what the frames cost a server that has nothing else to do. limit PORT
 *
 * One epoll loop; it takes what is told about a play from fixed places in the load's frame, checks
 * it by the same rules, writes the same four texts, and sends them. No client but the load may
 * speak with it: it answers the one handshake key that the load sends (the RFC's example).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct room;

struct player {
    int fd, seat;
    struct room *room; /* NULL before the handshake */
};

struct room {
    struct player *players[4];
    uint64_t hands[4]; /* bit per card */
    long seq;
    int count, turn, deals, trick_size;
    int trick[4], tricks[2];
};

static const char RANKS[] = "23456789TJQKA", SUITS[] = "SHDC";
static const char ACCEPT[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#define SUIT_MASK(suit) (0x1fffULL << (13 * (suit)))

static struct room *rooms[65536]; /* by number: the load's rooms are R0, R1, … */

static void deal(struct room *room)
{
    memset(room->hands, 0, sizeof room->hands);
    for (int card = 0; card < 52; card++)
        room->hands[(card + room->deals) % 4] |= 1ULL << card;
    room->deals++;
    room->trick_size = 0;
}

static uint64_t legal(const struct room *room)
{
    uint64_t hand = room->hands[room->turn];
    if (!room->trick_size)
        return hand;
    uint64_t following = hand & SUIT_MASK(room->trick[0] / 13);
    return following ? following : hand;
}

static char *put_cards(char *to, uint64_t cards)
{
    *to++ = '[';
    while (cards) {
        int card = __builtin_ctzll(cards);
        cards &= cards - 1;
        *to++ = '"';
        *to++ = RANKS[card % 13];
        *to++ = SUITS[card / 13];
        *to++ = '"';
        *to++ = ',';
    }
    if (to[-1] == ',')
        to--;
    *to++ = ']';
    return to;
}

static void send_text(struct player *player, const char *text, size_t size)
{
    char frame[512];
    size_t head = size < 126 ? 2 : 4;
    frame[0] = (char)0x81;
    if (head == 2) {
        frame[1] = (char)size;
    } else {
        frame[1] = 126;
        frame[2] = (char)(size >> 8);
        frame[3] = (char)size;
    }
    memcpy(frame + head, text, size);
    if (send(player->fd, frame, head + size, MSG_NOSIGNAL) < 0)
        perror("limit: send");
}

static size_t with_legal(char *text, size_t size, const struct room *room)
{
    char *to = text + size - 1; /* over the closing brace */
    memcpy(to, ",\"legal\":", 9);
    to = put_cards(to + 9, legal(room));
    *to++ = '}';
    return (size_t)(to - text);
}

static void enter(struct player *player, int number)
{
    struct room *room = rooms[number & 65535];
    if (!room) {
        room = calloc(1, sizeof *room);
        if (!room)
            abort();
        rooms[number & 65535] = room;
        deal(room);
    }
    player->room = room;
    player->seat = room->count & 3;
    room->players[room->count++ & 3] = player;
    if (room->count != 4)
        return;
    for (int seat = 0; seat < 4; seat++) {
        char text[512];
        size_t size = (size_t)sprintf(text, "{\"type\":\"dealt\",\"seq\":%ld,\"seat\":%d,\"turn\":%d}",
                                      room->seq, seat, room->turn);
        if (seat == room->turn)
            size = with_legal(text, size, room);
        send_text(room->players[seat], text, size);
    }
}

/* {"type":"play","id":N,"seq":N,"seat":N,"card":"XX"} */
static void play(struct player *player, char *text, size_t size)
{
    struct room *room = player->room;
    char *at = text + 20, shared[512], next[512];
    long id = strtol(at, &at, 10), seq = strtol(at + 7, &at, 10);
    int seat = at[8] - '0';
    const char *rank = memchr(RANKS, text[size - 4], 13), *suit = memchr(SUITS, text[size - 3], 4);
    int card = rank && suit ? (int)(13 * (suit - SUITS) + (rank - RANKS)) : 63;
    if (seat != player->seat || seat != room->turn || seq != room->seq ||
        !(legal(room) >> card & 1)) {
        send_text(player, "{\"type\":\"error\"}", 16);
        return;
    }
    room->hands[seat] &= ~(1ULL << card);
    room->trick[room->trick_size++] = card;
    room->turn = (seat + 1) % 4;
    room->seq++;
    char *to = shared + sprintf(shared, "{\"type\":\"card_played\",\"seq\":%ld,\"id\":%ld,\"seat\":%d,"
                                        "\"card\":\"%c%c\",\"turn\":%d,\"trick\":[",
                                room->seq, id, seat, *rank, *suit, room->turn);
    for (int i = 0; i < room->trick_size; i++)
        to += sprintf(to, i ? ",\"%c%c\"" : "\"%c%c\"", RANKS[room->trick[i] % 13],
                      SUITS[room->trick[i] / 13]);
    to += sprintf(to, "],\"tricks\":[%d,%d],\"counts\":[%d,%d,%d,%d]}", room->tricks[0],
                  room->tricks[1], __builtin_popcountll(room->hands[0]),
                  __builtin_popcountll(room->hands[1]), __builtin_popcountll(room->hands[2]),
                  __builtin_popcountll(room->hands[3]));
    if (room->trick_size == 4) {
        room->tricks[seat & 1]++;
        room->trick_size = 0;
        if (!room->hands[seat])
            deal(room);
    }
    size_t shared_size = (size_t)(to - shared);
    memcpy(next, shared, shared_size);
    size_t next_size = with_legal(next, shared_size, room);
    for (int other = 0; other < 4; other++) {
        if (other == room->turn)
            send_text(room->players[other], next, next_size);
        else
            send_text(room->players[other], shared, shared_size);
    }
}

/* One read is one request or one frame: the load has one of them under way. */
static void hear(struct player *player)
{
    char data[1024];
    ssize_t size = recv(player->fd, data, sizeof data - 1, 0);
    if (size <= 0) {
        close(player->fd);
        return;
    }
    data[size] = 0;
    if (!player->room) {
        const char *code = strstr(data, "room_code=R");
        if (code && send(player->fd, ACCEPT, sizeof ACCEPT - 1, MSG_NOSIGNAL) > 0)
            enter(player, atoi(code + 11));
    } else if (data[0] == (char)0x81 && size > 30) {
        for (ssize_t i = 6; i < size; i++)
            data[i] ^= data[2 + ((i - 6) & 3)];
        play(player, data + 6, (size_t)size - 6);
    }
}

int main(int count, char **arguments)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, poll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rlimit limit;
    struct epoll_event events[512];
    if (count != 2)
        return 2;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    address.sin_port = htons((uint16_t)atoi(arguments[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) {
        perror("limit");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) {
                hear(events[i].data.ptr);
                continue;
            }
            struct player *player = calloc(1, sizeof *player);
            if (!player)
                abort();
            player->fd = accept(listener, NULL, NULL);
            setsockopt(player->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event.data.ptr = player;
            epoll_ctl(poll, EPOLL_CTL_ADD, player->fd, &event);
        }
    }
}
