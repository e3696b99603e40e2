/* Plays: one under way per room; its time counts from when it was due until all four have it. */
#include "load.h"

#include <stdlib.h>

static double *times;
static long done, room_for;
static bool sorted;

void plays_begin(void)
{
    done = 0;
    sorted = false;
}

long plays_done(void)
{
    return done;
}

static void record(double seconds)
{
    if (done == room_for) {
        room_for = room_for ? 2 * room_for : 65536;
        times = realloc(times, (size_t)room_for * sizeof *times);
        if (!times)
            abort();
    }
    times[done++] = seconds;
}

void plays_received(struct seat *seat)
{
    struct room *room = seat->room;
    room->received++;
    if (room->received > 4 * room->sent) {
        fail(seat, "a play that nobody made");
        room->received = 4 * room->sent;
    } else if (room->received == 4 * room->sent && room->since != 0) {
        record(now() - room->since);
        room->since = 0;
    }
}

/* Play, if somebody is to, all have seen the play before and its player has his answer. */
void plays_try(struct room *room)
{
    struct seat *seat = room->turn;
    if (!seat || room->since != 0 || room->received != 4 * room->sent ||
        seat->answered != seat->id)
        return;
    if (room->due_first < room->due_end) {
        room->since = room->due[room->due_first++];
    } else if (closed_loop) {
        room->since = now();
    } else {
        return;
    }
    room->turn = NULL;
    room->sent++;
    talk_play(seat, room->card);
}

bool plays_under_way(const struct room *room)
{
    return room->since != 0 || room->due_first < room->due_end;
}

void plays_due(struct room *room, double when)
{
    if (room->due_first == room->due_end)
        room->due_first = room->due_end = 0;
    if (room->due_end == room->due_room) {
        room->due_room = room->due_room ? 2 * room->due_room : 64;
        room->due = realloc(room->due, (size_t)room->due_room * sizeof *room->due);
        if (!room->due)
            abort();
    }
    room->due[room->due_end++] = when;
    plays_try(room);
}

/* Make no more of the plays that are due: they have taken at least as long as until now. */
void plays_give_up(struct room *room)
{
    while (room->due_first < room->due_end)
        record(now() - room->due[room->due_first++]);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double plays_percentile(double share)
{
    if (!done)
        return 0;
    if (!sorted)
        qsort(times, (size_t)done, sizeof *times, compare);
    sorted = true;
    long rank = (long)(share * (double)done);
    return times[rank < done ? rank : done - 1];
}
