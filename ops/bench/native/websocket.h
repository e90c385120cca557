// Owns websocket framing: reading a server's frames, writing masked ones; and the header of any.
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opcode { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct frame {
    bool final;
    enum opcode opcode;
    const char *payload;
    size_t length;
    size_t size; // header and payload
};

// Reads the frame at the start of `data`; false while it is not complete yet.
bool frame_parse(const char *data, size_t length, struct frame *frame);

#define FRAME_HEADER 4 // bytes, at most, of what is shorter than 64 KiB

// Writes the header of a whole frame, which has no mask; how long it is.
size_t frame_header(unsigned char *out, enum opcode opcode, size_t length);

// Sends one masked frame; false when the socket would not take it whole.
bool frame_send(int fd, enum opcode opcode, const char *payload, size_t length);

#endif
