/* A model server that costs a few microseconds a request, so that what is measured is the gateway in front of it.
 *
 *     mock_backend PORT          one thread, epoll, 127.0.0.1; writes "ready" to its output once it listens
 *
 * The path says what is answered, whatever the body asks for:
 *     POST /whole/v1/...         one JSON answer with usage
 *     POST /burst/N/v1/...       a stream of N chunks, a usage chunk and [DONE], in one write
 *     POST /paced/N/MS/v1/...    the same, the chunks MS milliseconds apart; each carries when it was sent
 *                                (CLOCK_MONOTONIC in microseconds, the last ten hexadecimal digits: short enough to count as one token)
 *     GET  /.../models           a list of one model: gateways probe with it
 *     GET  /stats                what was served since the start, as JSON
 * A quarter of a request's bytes count as its prompt tokens, a chunk is one output token, a whole answer has WHOLE_TOKENS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, FD_MAX = 65536, CHUNKS_MAX = 100000, WHOLE_TOKENS = 50 };

#define CHUNK_HEAD "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock-model\",\"choices\":["
#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
#define WORDS "The quick brown fox jumps over the lazy dog near a river while five wizards box; " \
              "she sells sea shells by the shore and counts all of them twice before the evening comes."

typedef struct conn {
    int fd, busy;                  /* busy: a paced stream is on its way */
    char head[HEAD_MAX + 1];
    size_t head_len;
    long body_left, body_len;      /* of the request that is being read; body_left < 0 while its head is */
    char *out;                     /* what the socket would not take yet */
    size_t out_len, out_size;
    long chunks, sent, every_ns;   /* of a paced stream */
    long long due;
    struct conn *earlier, *later;  /* streams in the order in which they are due */
} conn;

static conn *conns[FD_MAX];
static conn *first, *last;
static int poller;
static struct { long long requests, whole, streams, completed, broken, chunks, prompt_tokens, output_tokens; } served;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* --- streams that are due later ---------------------------------------------------------------------------------- */

static void schedule(conn *c) {
    conn *before = last; /* nearly always the right place: streams of one pace come in order */
    while (before && before->due > c->due) before = before->earlier;
    c->earlier = before;
    c->later = before ? before->later : first;
    *(c->later ? &c->later->earlier : &last) = c;
    *(before ? &before->later : &first) = c;
}

static void unschedule(conn *c) {
    *(c->earlier ? &c->earlier->later : &first) = c->later;
    *(c->later ? &c->later->earlier : &last) = c->earlier;
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static void watch(conn *c, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (c->out_len ? EPOLLOUT : 0), .data.fd = c->fd};
    epoll_ctl(poller, operation, c->fd, &event);
}

static void hang_up(conn *c) {
    if (c->busy) {
        unschedule(c);
        served.broken++;
    }
    conns[c->fd] = NULL;
    close(c->fd);
    free(c->out);
    free(c);
}

/* Errors are left to the next read, which sees them too. */
static void put(conn *c, const char *data, size_t size) {
    if (!c->out_len) {
        ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
        if (n == (ssize_t)size || (n < 0 && errno != EAGAIN)) return;
        if (n > 0) data += n, size -= n;
    }
    if (c->out_len + size > c->out_size) {
        c->out_size = 2 * (c->out_len + size);
        if (!(c->out = realloc(c->out, c->out_size))) abort();
    }
    memcpy(c->out + c->out_len, data, size);
    c->out_len += size;
    watch(c, EPOLL_CTL_MOD);
}

static void flush(conn *c) {
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (n <= 0) return;
    memmove(c->out, c->out + n, c->out_len -= n);
    if (!c->out_len) watch(c, EPOLL_CTL_MOD);
}

/* An event in an HTTP chunk of its own, as model servers send it. Returns its size. */
static size_t event(char *to, const char *payload, size_t size) {
    int n = sprintf(to, "%zx\r\ndata: ", size + 8);
    memcpy(to + n, payload, size);
    memcpy(to + n + size, "\n\n\r\n", 4);
    return n + size + 4;
}

static size_t content_chunk(char *to, long number, long long stamp) {
    char payload[512];
    int n = stamp ? sprintf(payload, CHUNK_HEAD "{\"index\":0,\"delta\":{\"content\":\"%010llx \"},\"finish_reason\":null}]}",
                            stamp / 1000 & 0xffffffffffLL)
                  : sprintf(payload, CHUNK_HEAD "{\"index\":0,\"delta\":{%s\"content\":\" w%03ld\"},\"finish_reason\":null}]}",
                            number ? "" : "\"role\":\"assistant\",", number % 1000);
    return event(to, payload, n);
}

static size_t end_of_stream(char *to, long prompt_tokens, long chunks) {
    char payload[512];
    int n = sprintf(payload, CHUNK_HEAD "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
    size_t size = event(to, payload, n);
    n = sprintf(payload, CHUNK_HEAD "],\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"total_tokens\":%ld}}", prompt_tokens, chunks,
                prompt_tokens + chunks);
    size += event(to + size, payload, n);
    size += event(to + size, "[DONE]", 6);
    memcpy(to + size, "0\r\n\r\n", 5);
    return size + 5;
}

static void json(conn *c, const char *status, const char *body, size_t size) {
    char answer[2048];
    int n = sprintf(answer, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status, size);
    memcpy(answer + n, body, size);
    put(c, answer, n + size);
}

/* --- what is answered --------------------------------------------------------------------------------------------- */

static void whole(conn *c, long prompt_tokens) {
    char body[1024];
    int n = sprintf(body, "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"mock-model\",\"choices\":[{\"index\":0,"
                    "\"message\":{\"role\":\"assistant\",\"content\":\"" WORDS "\"},\"finish_reason\":\"stop\"}],"
                    "\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%d,\"total_tokens\":%ld}}",
                    prompt_tokens, WHOLE_TOKENS, prompt_tokens + WHOLE_TOKENS);
    json(c, "200 OK", body, n);
    served.whole++;
    served.completed++;
    served.output_tokens += WHOLE_TOKENS;
}

static void burst(conn *c, long prompt_tokens, long chunks) {
    static char *text; /* head and chunks of the last such stream, with room for an end */
    static size_t size;
    static long ready = -1;
    if (ready != chunks) {
        if (!(text = realloc(text, sizeof STREAM_HEAD + chunks * 256 + 2048))) abort();
        size = sprintf(text, STREAM_HEAD);
        for (long i = 0; i < chunks; i++) size += content_chunk(text + size, i, 0);
        ready = chunks;
    }
    put(c, text, size + end_of_stream(text + size, prompt_tokens, chunks));
    served.completed++;
    served.chunks += chunks;
    served.output_tokens += chunks;
}

static void next_chunk(conn *c) {
    char text[4096];
    unschedule(c);
    size_t size = content_chunk(text, c->sent++, now_ns());
    served.chunks++;
    served.output_tokens++;
    if (c->sent == c->chunks) {
        size += end_of_stream(text + size, c->body_len / 4, c->chunks);
        served.completed++;
        c->busy = 0;
    } else {
        c->due += c->every_ns;
        schedule(c);
    }
    put(c, text, size);
}

static void answer(conn *c) {
    long chunks = 0, pace_ms = 0, prompt_tokens = c->body_len / 4;
    if (!strncmp(c->head, "GET ", 4)) {
        char body[512];
        int n = strncmp(c->head + 4, "/stats", 6)
            ? sprintf(body, "{\"object\":\"list\",\"data\":[{\"id\":\"mock-model\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"mock\"}]}")
            : sprintf(body, "{\"requests\":%lld,\"whole\":%lld,\"streams\":%lld,\"completed\":%lld,\"broken\":%lld,\"chunks\":%lld,\"prompt_tokens\":%lld,\"output_tokens\":%lld}",
                      served.requests, served.whole, served.streams, served.completed, served.broken, served.chunks, served.prompt_tokens, served.output_tokens);
        json(c, "200 OK", body, n);
        return;
    }
    served.requests++;
    served.prompt_tokens += prompt_tokens;
    const char *path = strchr(c->head, '/');
    if (path && !strncmp(path, "/whole/", 7)) {
        whole(c, prompt_tokens);
    } else if (path && sscanf(path, "/burst/%ld/", &chunks) == 1 && chunks > 0 && chunks <= CHUNKS_MAX) {
        served.streams++;
        burst(c, prompt_tokens, chunks);
    } else if (path && sscanf(path, "/paced/%ld/%ld/", &chunks, &pace_ms) == 2 && chunks > 0 && chunks <= CHUNKS_MAX && pace_ms > 0) {
        served.streams++;
        put(c, STREAM_HEAD, sizeof STREAM_HEAD - 1);
        c->busy = 1, c->chunks = chunks, c->sent = 0, c->every_ns = pace_ms * 1000000L, c->due = now_ns();
        schedule(c);
    } else {
        json(c, "404 Not Found", "{}", 2);
    }
}

/* --- input: heads are kept up to their end, bodies are thrown away ------------------------------------------------ */

static long content_length(const char *head) {
    const char *field = strcasestr(head, "\r\ncontent-length:");
    return field ? atol(field + 17) : 0;
}

/* Returns whether the connection still stands. A client speaks again only when it was answered: nothing is pipelined. */
static int take(conn *c, const char *data, size_t size) {
    if (c->body_left < 0) {
        size_t before = c->head_len, room = HEAD_MAX - before, part = size < room ? size : room;
        memcpy(c->head + before, data, part);
        c->head[c->head_len += part] = 0;
        char *end = strstr(c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
        if (!end) return c->head_len < HEAD_MAX;
        size_t used = end + 4 - c->head - before;
        end[2] = 0;
        c->body_left = c->body_len = content_length(c->head);
        data += used, size -= used;
    }
    c->body_left -= size;
    if (c->body_left > 0) return 1;
    answer(c);
    c->head_len = 0, c->body_left = -1;
    return 1;
}

static void readable(conn *c) {
    static char data[1 << 18];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN) || (n > 0 && !take(c, data, n))) hang_up(c);
}

static void welcome(int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        conn *c = fd < FD_MAX ? calloc(1, sizeof *c) : NULL;
        if (!c) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        c->fd = fd, c->body_left = -1;
        conns[fd] = c;
        watch(c, EPOLL_CTL_ADD);
    }
}

int main(int count, char **arguments) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(arguments[1]) : 0), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("mock_backend");
        return 1;
    }
    poller = epoll_create1(0);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    puts("ready");
    fflush(stdout);
    for (;;) {
        long long wait = first ? first->due - now_ns() : 3600000000000LL;
        struct timespec pause = {.tv_sec = wait > 0 ? wait / 1000000000 : 0, .tv_nsec = wait > 0 ? wait % 1000000000 : 0};
        int n = epoll_pwait2(poller, events, 256, &pause, NULL);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                welcome(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT && conns[fd]) flush(conns[fd]);
            if (events[i].events & ~EPOLLOUT && conns[fd]) readable(conns[fd]);
        }
        for (long long now = now_ns(); first && first->due <= now;) next_chunk(first);
    }
}
