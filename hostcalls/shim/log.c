/* The proxy log: what C has to say, and what Python prints. */

#include <stdlib.h>
#include <string.h>

#include "shim.h"

IMPORT(proxy_log) uint32_t proxy_log(uint32_t level, const char *message, uint32_t size);

void log_bytes(enum log_level level, const char *text, uint32_t size) { proxy_log(level, text, size); }

void log_text(enum log_level level, const char *text) { proxy_log(level, text, (uint32_t)strlen(text)); }

/* Python's streams are unbuffered, so print("a", "b") comes in pieces; a line of the log is a line of the program.
   A line longer than the buffer is cut there. */
typedef struct {
    enum log_level level;
    uint32_t used;
    char line[4096];
} Stream;

static Stream streams[2] = {{LOG_INFO, 0, {0}}, {LOG_ERROR, 0, {0}}};

static void flush(Stream *stream) {
    if (stream->used) {
        uint32_t used = stream->used;
        stream->used = 0;
        proxy_log(stream->level, stream->line, used);
    }
}

void stdio_write(int fd, const char *text, uint32_t size) {
    Stream *stream = &streams[fd == 2];
    while (size) {
        const char *end = memchr(text, '\n', size);
        uint32_t length = end ? (uint32_t)(end - text) : size;
        uint32_t room = sizeof stream->line - stream->used;
        uint32_t part = length < room ? length : room;
        memcpy(stream->line + stream->used, text, part);
        stream->used += part;
        bool whole = end && part == length;
        if (whole || stream->used == sizeof stream->line) {
            flush(stream);
        }
        text += part + whole;
        size -= part + whole;
    }
}

void stdio_flush(void) {
    flush(&streams[0]);
    flush(&streams[1]);
}
