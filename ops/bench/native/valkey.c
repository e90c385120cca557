#define _GNU_SOURCE
#include "valkey.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "loopback.h"

static void sign_in(int redis, const char *password)
{
    char text[512];
    int length = snprintf(text, sizeof text, "AUTH %s\r\n", password);
    if (write(redis, text, (size_t)length) != length)
        fail("Valkey: %s", strerror(errno));
    ssize_t answer = read(redis, text, sizeof text - 1);
    text[answer < 0 ? 0 : answer] = 0;
    if (text[0] != '+')
        fail("Valkey refused: %s", text);
}

int valkey_connect(int port, const char *password)
{
    struct sockaddr_in address = loopback(port);
    int redis = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (redis < 0 || connect(redis, (struct sockaddr *)&address, sizeof address) < 0)
        fail("Valkey on port %d: %s", port, strerror(errno));
    send_at_once(redis);
    if (password && *password)
        sign_in(redis, password);
    return redis;
}
