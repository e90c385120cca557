#define _GNU_SOURCE
#include "reading.h"

#include "clock.h"
#include "procfs.h"
#include "pump.h"

struct reading reading_take(void)
{
    struct cpu_time server = procfs_cpu();
    return (struct reading){
        .at = now(),
        .own_cpu = own_cpu() - pump_spun(),
        .user_us = (double)server.user_us,
        .system_us = (double)server.system_us,
    };
}

struct reading reading_since(const struct reading *before)
{
    struct reading after = reading_take();
    return (struct reading){
        .at = after.at - before->at,
        .own_cpu = after.own_cpu - before->own_cpu,
        .user_us = after.user_us - before->user_us,
        .system_us = after.system_us - before->system_us,
    };
}
