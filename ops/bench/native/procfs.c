#include "procfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"

#define MAX_WATCHED 64

static int watched[MAX_WATCHED];
static int watched_count;

void procfs_watch(int pid)
{
    if (watched_count == MAX_WATCHED)
        fail("more than %d server processes", MAX_WATCHED);
    watched[watched_count++] = pid;
}

static void add_cpu_of(int pid, struct cpu_time *sum)
{
    char path[64], stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        fail("the server process %d is gone", pid);
    size_t length = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    stat[length] = 0;
    // The process name may hold spaces and brackets, so fields are counted from its last bracket on.
    char *after_name = strrchr(stat, ')');
    unsigned long user, system;
    if (!after_name ||
        sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        fail("cannot read %s", path);
    int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK);
    sum->user_us += (int64_t)user * tick_us;
    sum->system_us += (int64_t)system * tick_us;
}

struct cpu_time procfs_cpu(void)
{
    struct cpu_time sum = {0, 0};
    for (int i = 0; i < watched_count; i++)
        add_cpu_of(watched[i], &sum);
    return sum;
}

int64_t procfs_rss_kb(void)
{
    int64_t sum = 0;
    for (int i = 0; i < watched_count; i++) {
        char path[64];
        long total, resident;
        snprintf(path, sizeof path, "/proc/%d/statm", watched[i]);
        FILE *file = fopen(path, "r");
        if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2)
            fail("cannot read %s", path);
        fclose(file);
        sum += (int64_t)resident * sysconf(_SC_PAGESIZE) / 1024;
    }
    return sum;
}
