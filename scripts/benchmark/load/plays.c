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

bool plays_under_way(const struct room *room)
{
    return room->since != 0 || room->due_count != 0;
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
    if (room->due_count) {
        room->since = room->due[room->due_first];
        room->due_first = (room->due_first + 1) % DUE;
        room->due_count--;
    } else if (closed_loop) {
        room->since = now();
    } else {
        return;
    }
    room->turn = NULL;
    room->sent++;
    talk_play(seat, room->card);
}

void plays_due(struct room *room, double when)
{
    if (!room->due && !(room->due = calloc(DUE, sizeof *room->due)))
        abort();
    if (room->due_count == DUE) {
        fail(&room->seats[0], "overloaded: %d plays of one room are due", DUE);
        return;
    }
    room->due[(room->due_first + room->due_count++) % DUE] = when;
    plays_try(room);
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
