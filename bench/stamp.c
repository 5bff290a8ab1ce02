/* The program that is supervised: it tells when it came to life, as its first act, and weighs next to nothing.

   stamp once                                                   exit at once
   stamp live STAMPS INDEX LINGER_NS CODE                       stamp; exit with CODE, or (-1) live until SIGTERM and
                                                                LINGER_NS longer

   A stamp is three int64: pid, CLOCK_MONOTONIC in ns, index; one O_APPEND write, so that many share a file.

   Compiled with -DBARE it has no C library: what one does before `main` (glibc asks the processor for all its caches,
   and on a virtual machine each question is a trip to the hypervisor) would be taken for the supervisor's time. */

#include <stddef.h>
#include <stdint.h>

enum { AT_MOST_S = 3600, CANNOT = 111, USAGE = 100, MASK_BYTES = 8 };

struct span {
    long s, ns;
};

#if defined BARE

enum { AT_FDCWD = -100, O_WRONLY = 01, O_CREAT = 0100, O_APPEND = 02000, O_CLOEXEC = 02000000 };
enum { CLOCK_MONOTONIC = 1, ITIMER_REAL = 0, SIG_BLOCK = 0, SIGTERM = 15 };

#if defined __x86_64__

enum { SYS_write = 1, SYS_close = 3, SYS_rt_sigprocmask = 14, SYS_nanosleep = 35, SYS_setitimer = 38, SYS_getpid = 39 };
enum { SYS_rt_sigtimedwait = 128, SYS_clock_gettime = 228, SYS_exit_group = 231, SYS_openat = 257, SYS_ppoll = 271 };

__asm__(".text\n.globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");

static inline long syscall(long number, long a, long b, long c, long d) {
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
    return number;
}

#elif defined __aarch64__

enum { SYS_openat = 56, SYS_close = 57, SYS_write = 64, SYS_ppoll = 73, SYS_exit_group = 94, SYS_nanosleep = 101 };
enum { SYS_setitimer = 103, SYS_clock_gettime = 113, SYS_rt_sigprocmask = 135, SYS_rt_sigtimedwait = 137 };
enum { SYS_getpid = 172 };

__asm__(".text\n.globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n bl begin\n");

static inline long syscall(long number, long a, long b, long c, long d) {
    register long which __asm__("x8") = number, first __asm__("x0") = a, second __asm__("x1") = b;
    register long third __asm__("x2") = c, fourth __asm__("x3") = d;
    __asm__ volatile("svc #0" : "+r"(first) : "r"(which), "r"(second), "r"(third), "r"(fourth) : "memory");
    return first;
}

#else
#error "compile it without -DBARE"
#endif

#else
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#endif

#define call(number, a, b, c, d) syscall(number, (long)(a), (long)(b), (long)(c), (long)(d))

static void leave(int code) {
    for (;;)
        call(SYS_exit_group, code, 0, 0, 0);
}

static void fail(const char *text, int code) {
    size_t size = 0;
    while (text[size] != 0)
        size++;
    call(SYS_write, 2, text, size, 0);
    leave(code);
}

static int same(const char *left, const char *right) {
    for (; *left != 0 && *left == *right; left++)
        right++;
    return *left == *right;
}

static int64_t integer(const char *text) {
    int64_t value = 0;
    int minus = *text == '-';
    for (text += minus; *text >= '0' && *text <= '9'; text++)
        value = 10 * value + (*text - '0');
    return minus ? -value : value;
}

static void stamp(const char *path, struct span at, int64_t index) {
    int64_t record[3] = {call(SYS_getpid, 0, 0, 0, 0), (int64_t)at.s * 1000000000 + at.ns, index};
    long fd = call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || call(SYS_write, fd, record, sizeof record, 0) != sizeof record)
        fail("stamp: cannot write where it was told to\n", CANNOT);
    call(SYS_close, fd, 0, 0, 0);
    struct span alarm[2] = {{0, 0}, {AT_MOST_S, 0}};
    /* Whatever becomes of who is measured and of who measures, nothing is left for ever. */
    call(SYS_setitimer, ITIMER_REAL, alarm, NULL, 0);
}

static void live(const char *path, struct span at, int64_t index, int64_t linger_ns, int code) {
    uint64_t term = (uint64_t)1 << (SIGTERM - 1);
    if (linger_ns > 0) /* before the stamp: who has seen it may ask for the end */
        call(SYS_rt_sigprocmask, SIG_BLOCK, &term, NULL, MASK_BYTES);
    stamp(path, at, index);
    if (code >= 0)
        leave(code);
    while (linger_ns <= 0)
        call(SYS_ppoll, NULL, 0, NULL, NULL);
    while (call(SYS_rt_sigtimedwait, &term, NULL, NULL, MASK_BYTES) != SIGTERM)
        continue;
    struct span left = {(long)(linger_ns / 1000000000), (long)(linger_ns % 1000000000)};
    call(SYS_nanosleep, &left, NULL, 0, 0);
    leave(0);
}

static void act(long argc, char **argv) {
    struct span at;
    call(SYS_clock_gettime, CLOCK_MONOTONIC, &at, 0, 0);
    if (argc == 6 && same(argv[1], "live"))
        live(argv[2], at, integer(argv[3]), integer(argv[4]), (int)integer(argv[5]));
    if (argc != 2 || !same(argv[1], "once"))
        fail("usage: stamp once | live ...\n", USAGE);
    leave(0);
}

#if defined BARE
/* At the start of a program the stack holds argc, then the pointers to the arguments. */
__attribute__((used, noreturn)) void begin(long *stack) {
    act(stack[0], (char **)(stack + 1));
    __builtin_unreachable();
}
#else
int main(int argc, char **argv) { act(argc, argv); }
#endif
