/* load DIALECT PORT: does what the lines of its standard input say, answers each with one of JSON.
 *
 *     seat PATH TOKEN     one more player ("-": no token); each four are a room. No answer
 *     open                connect them, join, wait until all are seated
 *     start               begin to play, wait until every room has somebody to play
 *     closed SECONDS      every room plays as fast as it can, one play under way in each
 *     paced RATE SECONDS  so many plays a second, due at even distances, whatever the server does
 *
 * Between the lines it goes on answering pings. It ends with its input.
 */
#include "load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE 16          /* rooms that are being seated */
#define PATIENCE 120.0      /* seconds for seating all */
#define LAST_PLAYS 5.0      /* seconds for plays under way when a run ends */
#define EVENTS 512

enum dialect dialect;
bool closed_loop;
long errors;

static char first_error[512];
static struct room **rooms;
static int room_count, opened; /* rooms; of them, those that were told to connect */
static int last_room_seats = 4;
static int epoll, timer, port;
static bool input_ready;

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void fail(const struct seat *seat, const char *format, ...)
{
    if (errors++)
        return;
    int size = snprintf(first_error, sizeof first_error, "%s: ", seat->path);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(first_error + size, sizeof first_error - (size_t)size, format, arguments);
    va_end(arguments);
    for (char *c = first_error; *c; c++) /* it becomes a JSON text */
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            *c = '\'';
}

static void watch(int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Handle what happens until a time of the clock (timerfd: finer than epoll's milliseconds). */
static void turn(double until)
{
    struct epoll_event events[EVENTS];
    if (until < 1e-6)
        until = 1e-6;
    struct itimerspec when = {.it_value = {(time_t)until, (long)((until - (double)(time_t)until) * 1e9)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &timer) {
            uint64_t times;
            if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN)
                abort();
        } else if (events[i].data.ptr == &input_ready) {
            input_ready = true;
        } else {
            struct seat *seat = events[i].data.ptr;
            bool connecting = seat->phase == CONNECTING;
            if (seat->phase != CLOSED)
                seat_event(seat);
            if (connecting && seat->phase == SHAKING) {
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = seat};
                epoll_ctl(epoll, EPOLL_CTL_MOD, seat->fd, &event);
            }
        }
    }
}

static void add_seat(const char *path, const char *token)
{
    if (last_room_seats == 4) {
        rooms = realloc(rooms, (size_t)(room_count + 1) * sizeof *rooms);
        if (!rooms || !(rooms[room_count] = calloc(1, sizeof **rooms)))
            abort();
        room_count++;
        last_room_seats = 0;
    }
    struct room *room = rooms[room_count - 1];
    struct seat *seat = &room->seats[last_room_seats];
    seat->room = room;
    seat->number = last_room_seats++;
    seat->seq = -1;
    snprintf(seat->path, sizeof seat->path, "%s", path);
    if (strcmp(token, "-"))
        snprintf(seat->token, sizeof seat->token, "%s", token);
}

static void answer(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("{");
    vprintf(format, arguments);
    printf(",\"errors\":%ld,\"first_error\":\"%s\"}\n", errors, first_error);
    va_end(arguments);
    fflush(stdout);
}

static void open_rooms(void)
{
    double began = now(), until = began + PATIENCE;
    int first = opened, seated = opened; /* rooms before `seated` are all there */
    while (seated < room_count && !errors && now() < until) {
        while (opened < room_count && opened - seated < AT_ONCE) {
            for (int i = 0; i < 4; i++)
                seat_connect(&rooms[opened]->seats[i], epoll, 4 * opened + i, port);
            opened++;
        }
        turn(now() + 0.1);
        while (seated < opened && rooms[seated]->seated == 4)
            seated++;
    }
    if (seated < room_count && !errors)
        fail(&rooms[seated]->seats[0], "not seated in %.0f s", PATIENCE);
    answer("\"seated\":%d,\"seconds\":%.6f", 4 * (seated - first), now() - began);
}

static void start_rooms(void)
{
    double until = now() + PATIENCE;
    int ready = 0, told = 0;
    while (ready < room_count && !errors && now() < until) {
        while (told < room_count && told - ready < AT_ONCE)
            talk_start(rooms[told++]);
        while (ready < told && rooms[ready]->turn)
            ready++;
        if (ready < room_count)
            turn(now() + 0.1);
    }
    if (ready < room_count && !errors)
        fail(&rooms[ready]->seats[0], "nobody was told to play in %.0f s", PATIENCE);
    answer("\"ready\":%d", ready);
}

/* Wait for the plays under way; returns how many rooms still have one. */
static int wait_for_plays(void)
{
    int busy = room_count;
    for (double until = now() + LAST_PLAYS; busy && !errors && now() < until;) {
        busy = 0;
        for (int i = 0; i < room_count; i++)
            busy += plays_under_way(rooms[i]);
        if (busy)
            turn(now() + 0.01);
    }
    return busy;
}

/* End a run. A server that is too slow for a pace has long times; one that does not answer fails. */
static void finish(void)
{
    if (wait_for_plays())
        for (int i = 0; i < room_count; i++)
            plays_give_up(rooms[i]);
    int silent = wait_for_plays();
    if (silent && !errors)
        fail(&rooms[0]->seats[0], "%d plays were not answered in %.0f s", silent, 2 * LAST_PLAYS);
}

static void run_answer(double began)
{
    answer("\"plays\":%ld,\"seconds\":%.6f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f",
           plays_done(), now() - began, 1e3 * plays_percentile(0.5), 1e3 * plays_percentile(0.99),
           1e3 * plays_percentile(1.0));
}

static void run_closed(double seconds)
{
    double began = now();
    plays_begin();
    closed_loop = true;
    for (int i = 0; i < room_count; i++)
        plays_try(rooms[i]);
    while (now() < began + seconds && !errors)
        turn(began + seconds);
    closed_loop = false;
    finish();
    run_answer(began);
}

static void run_paced(double rate, double seconds)
{
    double began = now();
    long sent = 0, all = (long)(rate * seconds);
    plays_begin();
    while (sent < all && !errors) {
        double due = began + (double)sent / rate;
        if (due > now()) {
            turn(due);
            continue;
        }
        plays_due(rooms[sent % room_count], due);
        sent++;
    }
    finish();
    run_answer(began);
}

static void obey(const char *line)
{
    char path[160], token[96];
    double rate, seconds;
    if (sscanf(line, "seat %159s %95s", path, token) == 2)
        add_seat(path, token);
    else if (!strcmp(line, "open"))
        open_rooms();
    else if (!strcmp(line, "start"))
        start_rooms();
    else if (sscanf(line, "closed %lf", &seconds) == 1)
        run_closed(seconds);
    else if (sscanf(line, "paced %lf %lf", &rate, &seconds) == 2)
        run_paced(rate, seconds);
    else
        abort();
}

/* Take what lines there are; returns false at the end of the input. */
static bool read_input(void)
{
    static char lines[1 << 16];
    static size_t have;
    ssize_t got = read(0, lines + have, sizeof lines - 1 - have);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    have += (size_t)got;
    lines[have] = 0;
    char *line = lines, *end;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        obey(line);
        line = end + 1;
    }
    have -= (size_t)(line - lines);
    memmove(lines, line, have);
    return true;
}

int main(int count, char **arguments)
{
    static const char *const names[] = {"hokm", "json", "socketio", "colyseus"};
    int known = 0;
    while (count == 3 && known < 4 && strcmp(arguments[1], names[known]))
        known++;
    if (count != 3 || known == 4) {
        fprintf(stderr, "usage: load hokm|json|socketio|colyseus PORT\n");
        return 2;
    }
    dialect = (enum dialect)known;
    port = atoi(arguments[2]);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(timer, &timer);
    watch(0, &input_ready);
    for (;;) {
        turn(now() + 3600);
        if (input_ready && !read_input())
            return 0;
        input_ready = false;
    }
}
