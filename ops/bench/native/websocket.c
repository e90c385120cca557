#include "websocket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"

#define MAX_SENT 8192
#define MASKED 0x80

bool frame_parse(const char *data, size_t length, struct frame *frame)
{
    const unsigned char *bytes = (const unsigned char *)data;
    if (length < 2)
        return false;
    size_t header = 2;
    uint64_t payload = bytes[1] & 0x7f;
    if (payload >= 126) {
        size_t digits = payload == 126 ? 2 : 8;
        if (length < 2 + digits)
            return false;
        payload = 0;
        for (size_t i = 0; i < digits; i++)
            payload = payload << 8 | bytes[2 + i];
        header += digits;
    }
    if (payload > length - header)
        return false;
    frame->final = bytes[0] & 0x80;
    frame->opcode = bytes[0] & 0x0f;
    frame->payload = data + header;
    frame->length = payload;
    frame->size = header + payload;
    return true;
}

size_t frame_header(unsigned char *out, enum opcode opcode, size_t length)
{
    out[0] = (unsigned char)(0x80 | opcode);
    out[1] = (unsigned char)(length < 126 ? length : 126);
    if (length < 126)
        return 2;
    out[2] = (unsigned char)(length >> 8);
    out[3] = (unsigned char)length;
    return FRAME_HEADER;
}

bool frame_send(int fd, enum opcode opcode, const char *payload, size_t length)
{
    unsigned char out[FRAME_HEADER + 4 + MAX_SENT];
    if (length > MAX_SENT)
        fail("a frame of %zu bytes is longer than the generator sends", length);
    size_t size = frame_header(out, opcode, length);
    out[1] |= MASKED;
    unsigned char mask[4];
    for (int i = 0; i < 4; i++)
        out[size++] = mask[i] = (unsigned char)rand();
    for (size_t i = 0; i < length; i++)
        out[size++] = (unsigned char)payload[i] ^ mask[i % 4];
    return write(fd, out, size) == (ssize_t)size;
}
