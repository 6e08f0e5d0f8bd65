/*
 * What a test needs of a machine to run on an emulated rv32 without an operating system of its own: qemu-riscv32 takes Linux's system calls write and
 * exit. Also what a core without the A extension asks of its host: the atomics that are library calls (one thread here, so plain).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>
#include "lwip/ip_addr.h"
#include "tn_cross.h"

#define CALL_WRITE 64
#define CALL_EXIT 93
#define HEAP_BYTES (192u << 20)

static long call(long number, long a, long b, long c)
{
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a7 __asm__("a7") = number;
	__asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
	return a0;
}

void tn_cross_part(uint32_t number)
{
	(void)call(TN_CROSS_MARK, (long)number, 0, 0);
}

/* ---- Output, collected by line ---- */

static char line[1024];
static size_t line_length;

static int put(char c, FILE *file)
{
	(void)file;
	line[line_length++] = c;
	if (c == '\n' || line_length == sizeof line) {
		(void)call(CALL_WRITE, 1, (long)line, (long)line_length);
		line_length = 0;
	}
	return (unsigned char)c;
}

static FILE output = FDEV_SETUP_STREAM(put, NULL, NULL, _FDEV_SETUP_WRITE);
FILE *const stdout = &output;
FILE *const stderr = &output;

_Noreturn void _exit(int status)
{
	if (line_length > 0)
		(void)call(CALL_WRITE, 1, (long)line, (long)line_length);
	for (;;)
		(void)call(CALL_EXIT, status, 0, 0);
}

_Noreturn void abort(void)
{
	_exit(134);
}

/* ---- Memory and time ---- */

/* Word by word where both sides are aligned alike, as newlib's and the ESP32s' own are; picolibc's, made for size, goes by bytes. */

typedef uint32_t __attribute__((may_alias)) any_word;

void *memcpy(void *restrict out, const void *restrict in, size_t length)
{
	uint8_t *to = out;
	const uint8_t *from = in;
	if ((((uintptr_t)to ^ (uintptr_t)from) & 3) == 0) {
		while (length > 0 && ((uintptr_t)to & 3) != 0) {
			*to++ = *from++;
			length--;
		}
		for (; length >= 16; length -= 16, to += 16, from += 16) {
			((any_word *)to)[0] = ((const any_word *)from)[0];
			((any_word *)to)[1] = ((const any_word *)from)[1];
			((any_word *)to)[2] = ((const any_word *)from)[2];
			((any_word *)to)[3] = ((const any_word *)from)[3];
		}
		for (; length >= 4; length -= 4, to += 4, from += 4)
			*(any_word *)to = *(const any_word *)from;
	}
	while (length-- > 0)
		*to++ = *from++;
	return out;
}

void *memset(void *out, int value, size_t length)
{
	uint8_t *to = out;
	uint32_t word = (uint8_t)value * 0x01010101u;
	while (length > 0 && ((uintptr_t)to & 3) != 0) {
		*to++ = (uint8_t)value;
		length--;
	}
	for (; length >= 4; length -= 4, to += 4)
		*(any_word *)to = word;
	while (length-- > 0)
		*to++ = (uint8_t)value;
	return out;
}

void *sbrk(ptrdiff_t change)
{
	static _Alignas(16) char heap[HEAP_BYTES];
	static size_t used;
	if (change > (ptrdiff_t)(sizeof heap - used)) {
		errno = ENOMEM;
		return (void *)-1;
	}
	used += (size_t)change;
	return heap + used - change;
}

/** Time does not pass: what a test measures by it is 0. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
	(void)clock;
	memset(time, 0, sizeof *time);
	return 0;
}

/* ---- What else tests use ---- */

int inet_pton(int family, const char *text, void *address)
{
	ip4_addr_t ip4;
	ip6_addr_t ip6;
	if (family == AF_INET && strchr(text, '.') != NULL && strchr(text, ':') == NULL && ip4addr_aton(text, &ip4)) {
		memcpy(address, &ip4.addr, 4);
		return 1;
	}
	if (family == AF_INET6 && ip6addr_aton(text, &ip6)) {
		memcpy(address, ip6.addr, 16);
		return 1;
	}
	return 0;
}

/* libsodium's choice of implementations, for parts of it that are not built. */
int _crypto_pwhash_argon2_pick_best_implementation(void);
int _crypto_pwhash_argon2_pick_best_implementation(void)
{
	return 0;
}

int _crypto_generichash_blake2b_pick_best_implementation(void);
int _crypto_generichash_blake2b_pick_best_implementation(void)
{
	return 0;
}

static const char *random_name(void)
{
	return "tests";
}

static uint32_t random_number(void)
{
	uint32_t number;
	tn_port_random(&number, sizeof number);
	return number;
}

static void random_bytes(void *const out, const size_t length)
{
	tn_port_random(out, length);
}

struct randombytes_implementation randombytes_sysrandom_implementation = {
    .implementation_name = random_name,
    .random = random_number,
    .buf = random_bytes,
};

/* ---- Atomics of 32 bits. Those of 64 bits are missing with intent: no ESP32 has them. ---- */

typedef volatile void word;

unsigned __atomic_exchange_4(word *place, unsigned value, int order)
{
	unsigned before = *(volatile unsigned *)place;
	(void)order;
	*(volatile unsigned *)place = value;
	return before;
}

bool __atomic_compare_exchange_4(word *place, void *expected, unsigned value, bool is_weak, int success, int failure)
{
	(void)is_weak;
	(void)success;
	(void)failure;
	unsigned before = *(volatile unsigned *)place;
	if (before != *(unsigned *)expected) {
		*(unsigned *)expected = before;
		return false;
	}
	*(volatile unsigned *)place = value;
	return true;
}

unsigned __atomic_fetch_add_4(word *place, unsigned value, int order)
{
	return __atomic_exchange_4(place, *(volatile unsigned *)place + value, order);
}

unsigned __atomic_fetch_sub_4(word *place, unsigned value, int order)
{
	return __atomic_exchange_4(place, *(volatile unsigned *)place - value, order);
}

unsigned __atomic_fetch_or_4(word *place, unsigned value, int order)
{
	return __atomic_exchange_4(place, *(volatile unsigned *)place | value, order);
}

/* ---- Start ---- */

extern void (*__preinit_array_start[])(void), (*__preinit_array_end[])(void), (*__init_array_start[])(void), (*__init_array_end[])(void);

int main(int argc, char **argv);

/* errno and the like are thread-local: tp points to where they begin. */
_Alignas(16) char tn_cross_thread[256];

_Noreturn void tn_cross_start(long *stack);
_Noreturn void tn_cross_start(long *stack)
{
	for (void (**each)(void) = __preinit_array_start; each < __preinit_array_end; each++)
		(*each)();
	for (void (**each)(void) = __init_array_start; each < __init_array_end; each++)
		(*each)();
	exit(main((int)stack[0], (char **)(stack + 1)));
}

__asm__(".globl _start\n"
        "_start:\n"
        ".option push\n"
        ".option norelax\n"
        "	la gp, __global_pointer$\n"
        ".option pop\n"
        "	la tp, tn_cross_thread\n"
        "	mv a0, sp\n"
        "	andi sp, sp, -16\n"
        "	j tn_cross_start\n");
