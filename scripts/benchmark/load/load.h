/* The load generator: rooms of four WebSockets that play cards and check every reply. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>

enum dialect { HOKM, JSON, SOCKETIO, COLYSEUS };
enum phase { NEW, CONNECTING, SHAKING, JOINING, SEATED, CLOSED };

struct room;

struct seat {
    int fd;
    enum phase phase;
    struct room *room;
    int number;      /* as the server counts seats; only the toy protocol needs it */
    long id;         /* of the last command */
    long answered;   /* id of the last command that was: they are answered in their order */
    long seq;        /* of the last event; -1 before the first */
    char *rest;      /* the part of a frame that was read; NULL: none */
    size_t rest_size;
    char path[160];
    char token[96]; /* empty: none */
};

struct room {
    struct seat seats[4];
    int seated;
    struct seat *turn; /* who is to play; NULL: nobody was told yet */
    char card[3];      /* the first of what he may play */
    long sent, received; /* plays, and their copies that have come: four of each */
    double since;      /* when the play that is under way was due; 0: none is */
    double *due;       /* times of plays that are due and not sent, oldest first */
    int due_first, due_end, due_room; /* those from first to end; room for so many */
};

/* What the run is: main.c. */
extern enum dialect dialect;
extern bool closed_loop; /* every room plays as soon as it can */
extern long errors;
double now(void);
void fail(const struct seat *seat, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sockets and frames: socket.c. */
void seat_connect(struct seat *seat, int epoll, int number, int port);
void seat_event(struct seat *seat);
void seat_send(struct seat *seat, const char *payload, size_t size, int opcode);

/* What is said: talk.c. */
void talk_open(struct seat *seat);                                  /* the handshake is done */
void talk_hear(struct seat *seat, const char *payload, size_t size); /* a message has come */
void talk_start(struct room *room);
void talk_play(struct seat *seat, const char *card);

/* Plays and how long they take: plays.c. */
void plays_received(struct seat *seat);
void plays_try(struct room *room);
void plays_due(struct room *room, double when);
bool plays_under_way(const struct room *room); /* due ones, too */
void plays_give_up(struct room *room);
void plays_begin(void);
long plays_done(void);
double plays_percentile(double share); /* in seconds; of those since plays_begin */

#endif
