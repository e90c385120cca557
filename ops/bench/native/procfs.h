// Owns what the kernel says about the server's processes: CPU time spent and memory held.
#ifndef PROCFS_H
#define PROCFS_H

#include <stdint.h>

struct cpu_time {
    int64_t user_us;
    int64_t system_us;
};

void procfs_watch(int pid); // may be called for several processes; what is read is their sum
struct cpu_time procfs_cpu(void);
int64_t procfs_rss_kb(void);

#endif
