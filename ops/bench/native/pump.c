#define _GNU_SOURCE
#include "pump.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "clock.h"
#include "fail.h"
#include "fleet.h"
#include "publisher.h"

#define SLOWEST (20 * MILLISECOND)
#define TIMER_SLACK 1000UL // ns; the usual 50 µs would delay every event of a fast pace

static int poll_fd;
static bool stays_awake;
static int64_t spun;

int pump_open(void)
{
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0)
        fail("epoll_create1: %s", strerror(errno));
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK, 0UL, 0UL, 0UL);
    return poll_fd;
}

void pump_watch_publisher(int redis)
{
    struct epoll_event answers = {.events = EPOLLIN, .data.ptr = 0};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, redis, &answers);
}

static int take(struct epoll_event *events, int room)
{
    int count = epoll_wait(poll_fd, events, room, 0);
    if (count < 0 && errno != EINTR)
        fail("epoll_wait: %s", strerror(errno));
    return count;
}

// A core that sleeps is woken by whoever writes to it: on a virtual machine that costs the server several µs a
// write, or nothing, as it happens. Whoever else is on this core has its turn all the same.
static int take_awake(struct epoll_event *events, int room)
{
    int64_t begin = read_clock(CLOCK_THREAD_CPUTIME_ID);
    int count = 0;
    for (int64_t end = now() + SLOWEST; !count && now() < end; count = take(events, room))
        sched_yield();
    spun += read_clock(CLOCK_THREAD_CPUTIME_ID) - begin;
    return count;
}

void pump_stay_awake(bool awake)
{
    stays_awake = awake;
}

int64_t pump_spun(void)
{
    return spun;
}

void pump(int64_t longest)
{
    struct epoll_event events[512];
    int count = take(events, 512);
    if (count == 0 && stays_awake) {
        count = take_awake(events, 512);
    } else if (count == 0) { // epoll_wait itself counts in milliseconds, which is too coarse between events
        struct pollfd anything = {.fd = poll_fd, .events = POLLIN};
        int64_t wait = longest < 0 ? 0 : longest < SLOWEST ? longest : SLOWEST;
        struct timespec limit = {.tv_sec = 0, .tv_nsec = wait};
        if (ppoll(&anything, 1, &limit, 0) > 0)
            count = take(events, 512);
    }
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            fleet_on_event(events[i].data.ptr);
        else
            publisher_on_answer();
    }
}

void pump_for(int64_t duration)
{
    for (int64_t end = now() + duration, left; (left = end - now()) > 0;)
        pump(left);
}
