/* What players say and hear, in each dialect.
 *
 * HOKM is hokm.v1. The others are the toy protocol, as JSON texts, as Socket.IO events, as Colyseus
 * messages (msgpack): `dealt` once, then `card_played` for each play; who plays next is told `legal`.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1, BINARY = 2 };
enum { ROOM_JOIN = 10, ROOM_DATA = 13 }; /* Colyseus' Protocol */

static bool has(const char *text, size_t size, const char *word)
{
    return memmem(text, size, word, strlen(word)) != NULL;
}

/* Return what stands behind a key, NULL if it is not there. */
static const char *value(const char *text, size_t size, const char *key)
{
    char word[16];
    int length = dialect == COLYSEUS
                     ? snprintf(word, sizeof word, "%c%s", (char)(0xa0 | strlen(key)), key)
                     : snprintf(word, sizeof word, "\"%s\":", key);
    const char *found = memmem(text, size, word, (size_t)length);
    return found ? found + length : NULL;
}

/* Return a number (-1: none); a payload is followed by a byte that ends it, or is read as it is. */
static long number(const char *text, size_t size, const char *key)
{
    const unsigned char *at = (const unsigned char *)value(text, size, key);
    if (!at)
        return -1;
    if (dialect != COLYSEUS)
        return *at >= '0' && *at <= '9' ? strtol((const char *)at, NULL, 10) : -1;
    switch (*at) { /* msgpack */
    case 0xcc:
        return at[1];
    case 0xcd:
        return at[1] << 8 | at[2];
    case 0xce:
        return (long)at[1] << 24 | at[2] << 16 | at[3] << 8 | at[4];
    default:
        return *at < 0x80 ? *at : -1;
    }
}

/* Return the first of the list `legal`, NULL if there is none. */
static const char *first_legal(const char *text, size_t size)
{
    const char *at = value(text, size, "legal");
    if (!at)
        return NULL;
    if (dialect == COLYSEUS)
        return at[1] == (char)0xa2 ? at + 2 : NULL;
    return at[0] == '[' && at[1] == '"' ? at + 2 : NULL;
}

static void seat_done(struct seat *seat)
{
    if (seat->phase == JOINING) {
        seat->phase = SEATED;
        seat->room->seated++;
    }
}

static void say(struct seat *seat, const char *text, int size)
{
    seat_send(seat, text, (size_t)size, dialect == COLYSEUS ? BINARY : TEXT);
}

static void answered(struct seat *seat, long id)
{
    if (id != seat->answered + 1 || id > seat->id)
        fail(seat, "answer to %ld, where %ld of %ld are", id, seat->answered, seat->id);
    seat->answered = id;
}

/* Mind the numbers of events: one more each time. */
static void count(struct seat *seat, long seq)
{
    if (seq != seat->seq + 1)
        fail(seat, "event %ld after %ld", seq, seat->seq);
    seat->seq = seq;
}

static void my_turn(struct seat *seat, const char *card)
{
    memcpy(seat->room->card, card, 2);
    seat->room->turn = seat;
}

/* --- hokm.v1 --- */

static void command(struct seat *seat, const char *type, const char *fields)
{
    char text[256];
    seat->id++;
    say(seat, text,
        snprintf(text, sizeof text, "{\"type\":\"%s\",\"id\":%ld%s}", type, seat->id, fields));
}

static void hear_hokm(struct seat *seat, const char *text, size_t size)
{
    long seq = number(text, size, "seq");
    bool is_answer = size > 12 && text[9] == 'o' && text[10] == 'k';
    if (is_answer) {
        answered(seat, number(text, size, "id"));
        seat_done(seat);
    } else if (has(text, size, "\"type\":\"error\"")) {
        fail(seat, "%.*s", (int)size, text);
    } else if (has(text, size, "\"type\":\"welcome\"")) {
        seat->seq = seq; /* of the state in it */
    } else if (seq >= 0) {
        count(seat, seq);
        if (has(text, size, "\"card_played\""))
            plays_received(seat);
        else if (has(text, size, "\"match_over\"") && seat->number == 0)
            command(seat, "start", "");
        const char *legal = first_legal(text, size);
        if (!legal)
            return;
        char fields[32];
        if (has(text, size, "\"choose_trump\"")) {
            snprintf(fields, sizeof fields, ",\"suit\":\"%c\"", legal[0]);
            command(seat, "choose_trump", fields);
        } else {
            my_turn(seat, legal);
        }
    }
}

/* --- the toy protocol --- */

static void hear_toy(struct seat *seat, const char *text, size_t size)
{
    long seq = number(text, size, "seq");
    if (has(text, size, "card_played")) {
        count(seat, seq);
        if (number(text, size, "seat") == seat->number)
            answered(seat, number(text, size, "id"));
        plays_received(seat);
    } else if (has(text, size, "dealt")) {
        seat->seq = seq;
        seat->number = (int)number(text, size, "seat");
        seat_done(seat);
    } else {
        fail(seat, "a strange message: %.*s", (int)size, text);
        return;
    }
    const char *legal = first_legal(text, size);
    if (legal)
        my_turn(seat, legal);
}

static int put_number(char *at, const char *key, long n)
{
    size_t length = strlen(key);
    *at = (char)(0xa0 | length);
    memcpy(at + 1, key, length);
    char *to = at + 1 + length;
    *to++ = (char)0xce;
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (char)(n >> shift);
    return (int)(to - at);
}

static void play_colyseus(struct seat *seat, const char *card)
{
    char text[128] = {ROOM_DATA, (char)0xa4, 'p', 'l', 'a', 'y', (char)0x84};
    int size = 7;
    size += put_number(text + size, "id", seat->id);
    size += put_number(text + size, "seq", seat->seq);
    size += put_number(text + size, "seat", seat->number);
    memcpy(text + size, "\xa4" "card\xa2", 6);
    memcpy(text + size + 6, card, 2);
    say(seat, text, size + 8);
}

/* --- all --- */

void talk_open(struct seat *seat)
{
    char fields[192];
    if (dialect != HOKM)
        return;
    int size = snprintf(fields, sizeof fields, ",\"name\":\"p%d\"", seat->number);
    if (seat->token[0])
        snprintf(fields + size, sizeof fields - (size_t)size, ",\"token\":\"%s\"", seat->token);
    command(seat, "join", fields);
}

void talk_hear(struct seat *seat, const char *text, size_t size)
{
    switch (dialect) {
    case HOKM:
        hear_hokm(seat, text, size);
        break;
    case JSON:
        hear_toy(seat, text, size);
        break;
    case SOCKETIO:
        if (text[0] == '0') /* Engine.IO is open: enter the namespace */
            say(seat, "40", 2);
        else if (text[0] == '2') /* its ping */
            say(seat, "3", 1);
        else if (size > 2 && text[1] == '2')
            hear_toy(seat, text, size);
        break;
    case COLYSEUS:
        if (text[0] == ROOM_JOIN)
            say(seat, (const char[]){ROOM_JOIN}, 1);
        else if (text[0] == ROOM_DATA)
            hear_toy(seat, text, size);
        break;
    }
}

void talk_start(struct room *room)
{
    if (dialect == HOKM)
        command(&room->seats[0], "start", "");
}

void talk_play(struct seat *seat, const char *card)
{
    char text[160];
    int size = 0;
    switch (dialect) {
    case HOKM:
        snprintf(text, sizeof text, ",\"card\":\"%.2s\"", card);
        command(seat, "play", text);
        return;
    case JSON:
        seat->id++;
        size = snprintf(text, sizeof text,
                        "{\"type\":\"play\",\"id\":%ld,\"seq\":%ld,\"seat\":%d,\"card\":\"%.2s\"}",
                        seat->id, seat->seq, seat->number, card);
        break;
    case SOCKETIO:
        seat->id++;
        size = snprintf(text, sizeof text,
                        "42[\"play\",{\"id\":%ld,\"seq\":%ld,\"seat\":%d,\"card\":\"%.2s\"}]",
                        seat->id, seat->seq, seat->number, card);
        break;
    case COLYSEUS:
        seat->id++;
        play_colyseus(seat, card);
        return;
    }
    say(seat, text, size);
}
