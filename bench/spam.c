/* The program whose output is kept: it writes numbered, checksummed lines at full speed, and judges what became of them.

   spam write STAMPS INDEX LINES SIZE WRITE_BYTES GATE          stamp; wait until the file GATE is there (- for none);
                                                                write; stamp with INDEX + DONE; live
   spam check INDEX LINES FILE...                               judge what `write` wrote: lines, missing, torn, doubled,
                                                                misplaced; LINES -1 when unknown

   A stamp is that of stamp.c. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { AT_MOST_S = 3600, GATE_NS = 1000000, DONE = 1000000, PATTERN = 64, DIGITS = 10, HEX = 16, LONGEST = 1 << 20 };

static void die(const char *what) {
    perror(what);
    exit(111);
}

static void stamp(const char *path, int64_t index) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t record[3] = {getpid(), (int64_t)at.tv_sec * 1000000000 + at.tv_nsec, index};
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, record, sizeof record) != sizeof record)
        die(path);
    close(fd);
    alarm(AT_MOST_S); /* whatever becomes of who is measured and of who measures, nothing is left for ever */
}

/* A line is the same for the same index, number and size, so that the judge can write it anew and compare. */

static char pattern[PATTERN + LONGEST];

static void make_pattern(void) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+";
    for (size_t at = 0; at < sizeof pattern; at++)
        pattern[at] = letters[at % PATTERN];
}

static uint64_t mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* "<index> <number> <sum> <padding>\n", `size` bytes in all; `head` is "<index> ". */
static void make_line(char *to, const char *head, size_t head_size, uint64_t seed, int64_t number, size_t size) {
    static const char hex[] = "0123456789abcdef";
    uint64_t sum = mix(seed + (uint64_t)number * 0x9e3779b97f4a7c15u);
    char *end = to + size - 1;
    memcpy(to, head, head_size);
    to += head_size;
    for (int at = DIGITS - 1; at >= 0; at--, number /= 10)
        to[at] = (char)('0' + number % 10);
    to += DIGITS;
    *to++ = ' ';
    for (int at = 0; at < HEX; at++)
        *to++ = hex[sum >> (60 - 4 * at) & 15];
    *to++ = ' ';
    memcpy(to, pattern + sum % PATTERN, (size_t)(end - to));
    *end = '\n';
}

static uint64_t seed_of(int64_t index, size_t size) { return mix((uint64_t)index * 1000003 + size); }

static size_t head_of(char *head, size_t room, int64_t index) {
    return (size_t)snprintf(head, room, "%lld ", (long long)index);
}

static void put(const char *from, size_t size) {
    while (size > 0) {
        ssize_t written = write(1, from, size);
        if (written < 0) {
            struct pollfd out = {1, POLLOUT, 0};
            if (errno == EAGAIN)
                poll(&out, 1, -1);
            else if (errno != EINTR)
                die("stdout");
            continue;
        }
        from += written;
        size -= (size_t)written;
    }
}

static void produce(int64_t index, int64_t lines, size_t size, size_t block) {
    char head[32];
    size_t head_size = head_of(head, sizeof head, index);
    if (size < head_size + DIGITS + HEX + 3 || size > LONGEST) {
        fprintf(stderr, "a line of %zu bytes: too short or too long\n", size);
        exit(100);
    }
    make_pattern();
    uint64_t seed = seed_of(index, size);
    char *buffer = malloc(block + size);
    size_t filled = 0;
    if (buffer == NULL)
        die("memory");
    for (int64_t number = 0; number < lines; number++) {
        make_line(buffer + filled, head, head_size, seed, number, size);
        filled += size;
        if (block == 0) {
            put(buffer, filled);
            filled = 0;
        } else if (filled >= block) { /* blocks of exactly that size: a line may lie across two */
            put(buffer, block);
            filled -= block;
            memmove(buffer, buffer + block, filled);
        }
    }
    put(buffer, filled);
    free(buffer);
}

/* The judge. */

static struct {
    int64_t index, expected, lines, torn, doubled, misplaced, distinct, last;
    uint64_t seed;
    size_t size, head_size, room;
    char head[32], again[LONGEST];
    unsigned char *seen;
} judge;

static void judge_line(const char *line, size_t size) { /* with its newline */
    judge.lines++;
    size_t prefix = judge.head_size + DIGITS;
    if (size > LONGEST || size < prefix + HEX + 3 || memcmp(line, judge.head, judge.head_size) != 0) {
        judge.torn++;
        return;
    }
    int64_t number = 0;
    for (size_t at = judge.head_size; at < prefix; at++)
        number = number * 10 + (line[at] - '0');
    if (size != judge.size) {
        judge.size = size;
        judge.seed = seed_of(judge.index, size);
    }
    if (number < 0) {
        judge.torn++;
        return;
    }
    make_line(judge.again, judge.head, judge.head_size, judge.seed, number, size);
    if (memcmp(judge.again, line, size) != 0) {
        judge.torn++;
        return;
    }
    size_t byte = (size_t)number / 8;
    if (byte >= judge.room) {
        size_t room = 2 * byte + 4096;
        judge.seen = realloc(judge.seen, room);
        if (judge.seen == NULL)
            die("memory");
        memset(judge.seen + judge.room, 0, room - judge.room);
        judge.room = room;
    }
    if (judge.seen[byte] >> number % 8 & 1) {
        judge.doubled++;
        return;
    }
    judge.seen[byte] |= (unsigned char)(1 << number % 8);
    judge.distinct++;
    if (number < judge.last)
        judge.misplaced++;
    else
        judge.last = number;
}

static void check(int64_t index, int64_t expected, char **files) {
    static char buffer[2 * LONGEST]; /* the start of a line that is not whole yet, then what is read */
    size_t kept = 0;
    make_pattern();
    judge.index = index;
    judge.last = -1;
    judge.head_size = head_of(judge.head, sizeof judge.head, index);
    for (; *files != NULL; files++) { /* one stream: a line may begin in one file and end in the next */
        int fd = open(*files, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            die(*files);
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        for (;;) {
            ssize_t got = read(fd, buffer + kept, sizeof buffer - kept);
            if (got < 0)
                die(*files);
            if (got == 0)
                break;
            char *line = buffer, *end = buffer + kept + got, *newline;
            while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
                judge_line(line, (size_t)(newline + 1 - line));
                line = newline + 1;
            }
            kept = (size_t)(end - line);
            if (kept >= LONGEST) { /* no line of ours */
                judge_line(line, kept);
                kept = 0;
            }
            memmove(buffer, line, kept);
        }
        close(fd);
    }
    if (kept > 0)
        judge_line(buffer, kept);
    int64_t all = judge.last + 1 > expected ? judge.last + 1 : expected;
    printf("%lld %lld %lld %lld %lld\n", (long long)judge.lines, (long long)(all - judge.distinct),
           (long long)judge.torn, (long long)judge.doubled, (long long)judge.misplaced);
}

int main(int argc, char **argv) {
    const char *act = argc > 1 ? argv[1] : "";
    if (strcmp(act, "write") == 0 && argc == 8) {
        int64_t index = atoll(argv[3]);
        stamp(argv[2], index);
        struct timespec moment = {0, GATE_NS};
        while (strcmp(argv[7], "-") != 0 && access(argv[7], F_OK) != 0)
            nanosleep(&moment, NULL);
        produce(index, atoll(argv[4]), (size_t)atoll(argv[5]), (size_t)atoll(argv[6]));
        stamp(argv[2], index + DONE);
        for (;;)
            pause();
    } else if (strcmp(act, "check") == 0 && argc >= 4) {
        check(atoll(argv[2]), atoll(argv[3]), argv + 4);
        return 0;
    }
    fprintf(stderr, "usage: spam write ... | check ...\n");
    return 100;
}
