/* Stands between a program and its libc, and does what a test asks for: another time of day, writes and forks that fail.

   Loaded by LD_PRELOAD. What is asked for is in a file that is mapped (MEDDLING names it), so that it may change at any
   moment; see meddling.py, which writes it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct asked {
    int64_t wall_s;      /* added to the time of day */
    int64_t boot_s;      /* added to the clock that goes on while the machine sleeps */
    int32_t write_errno; /* of writes to what is below `place`; 0: they work */
    int32_t fork_errno;  /* of forks */
    char place[256];
};

static volatile struct asked nothing, *asked = &nothing;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("MEDDLING");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof(struct asked), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        asked = map;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t id, struct timespec *at) {
    REAL(clock_gettime);
    int answer = real(id, at);
    if (!answer && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        at->tv_sec += asked->wall_s;
    if (!answer && id == CLOCK_BOOTTIME)
        at->tv_sec += asked->boot_s;
    return answer;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

static int refused(int fd) {
    if (!asked->write_errno)
        return 0;
    char link[64], target[512], place[256];
    strcpy(link, "/proc/self/fd/");
    char *end = link + strlen(link), digits[16];
    int count = 0, number = fd;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *end++ = digits[--count];
    *end = 0;
    ssize_t size = readlink(link, target, sizeof target - 1);
    if (size < 0)
        return 0;
    target[size] = 0;
    memcpy(place, (const void *)asked->place, sizeof place);
    if (strncmp(target, place, strlen(place)))
        return 0;
    errno = asked->write_errno;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    return refused(fd) ? -1 : real(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    return refused(fd) ? -1 : real(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    return refused(fd) ? -1 : real(fd, data, size, at);
}

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned int flags) {
    REAL(splice);
    return refused(to) ? -1 : real(from, from_at, to, to_at, size, flags);
}

int posix_fallocate64(int fd, off64_t at, off64_t size) {
    REAL(posix_fallocate64);
    return refused(fd) ? asked->write_errno : real(fd, at, size);
}

pid_t fork(void) {
    REAL(fork);
    if (!asked->fork_errno)
        return real();
    errno = asked->fork_errno;
    return -1;
}

#ifdef __x86_64__
/* A function that calls vfork must not return before the child is gone: so this one jumps there. */
__attribute__((used)) static void *real_vfork(void) {
    REAL(vfork);
    return asked->fork_errno ? NULL : (void *)real;
}

__attribute__((used)) static pid_t no_vfork(void) {
    errno = asked->fork_errno;
    return -1;
}

__attribute__((naked)) pid_t vfork(void) {
    __asm__("sub $8, %rsp\n"
            "call real_vfork\n"
            "add $8, %rsp\n"
            "test %rax, %rax\n"
            "jz 1f\n"
            "jmp *%rax\n"
            "1: jmp no_vfork\n");
}
#endif
