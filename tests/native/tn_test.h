/*
 * The harness of the C tests. One program a file: include this header once, write tests, no main of your own.
 *
 *   TN_TEST("[tunnel 34] an unknown receiver index is dropped")
 *   {
 *       CHECK_EQ(tn_wg_receive(...), 0);
 *       CHECK_MEM(got, want, 32);
 *   }
 *
 * prints "ok - name" or "not ok - name" for each test and "N passed, M failed" at the end; the exit code is 0 when none failed.
 * A failed CHECK names file, line and values and the test goes on; REQUIRE returns from the (void) function it stands in.
 * TN_TEST_DESKTOP is left out when the pools are those of a microcontroller. A program takes a part of a test name as its argument and then runs only the tests that contain it.
 *
 * TN_VECTOR_TEST(kind, name) is a test that needs nothing but the vectors of that kind. Compiled with TN_VECTORS_ONLY="kind", a program has only
 * those, runs them on whatever file its vectors_<kind>.h was made of, and counts vectors (TEST_VECTOR) instead of tests: scripts/vectors.js.
 *
 * Randomness is a seeded generator that is the same in every run: tn_port_random is provided here unless TN_TEST_OWN_RANDOM is
 * defined. Vectors of tests/vectors/<name>.json come as vectors_<name>.h, made by build.js (see vectors-to-c.js).
 */
#ifndef TN_TEST_H
#define TN_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TN_TEST_MAX 512

struct tn_test_case {
	const char *name;
	void (*run)(void);
};

static struct tn_test_case tn_test_cases[TN_TEST_MAX];
static size_t tn_test_count;
static unsigned tn_test_failures; /* of the running test */
static uint64_t tn_test_seed = 1;

static inline void tn_test_add(const char *name, void (*run)(void))
{
	if (tn_test_count < TN_TEST_MAX)
		tn_test_cases[tn_test_count] = (struct tn_test_case){name, run};
	tn_test_count++;
}

#define TN_TEST_JOIN2(a, b) a##b
#define TN_TEST_JOIN(a, b) TN_TEST_JOIN2(a, b)
#define TN_TEST_NAMED(id, text)                                                                                                                                \
	static void TN_TEST_JOIN(tn_test_run_, id)(void);                                                                                                          \
	__attribute__((constructor)) static void TN_TEST_JOIN(tn_test_register_, id)(void)                                                                         \
	{                                                                                                                                                          \
		tn_test_add(text, TN_TEST_JOIN(tn_test_run_, id));                                                                                                     \
	}                                                                                                                                                          \
	static void TN_TEST_JOIN(tn_test_run_, id)(void)

/** Defines a test; the name is the sentence it proves, with the tag of the document's checklist in front: "[tunnel 8] ...". */
#define TN_TEST_LEFT_OUT(id) __attribute__((unused)) static void TN_TEST_JOIN(tn_test_run_, id)(void)
#ifndef TN_VECTORS_ONLY
#define TN_TEST(text) TN_TEST_NAMED(__COUNTER__, text)
#define TN_VECTOR_TEST(kind, text) TN_TEST(text)
#else
#define TN_TEST(text) TN_TEST_LEFT_OUT(__COUNTER__)
#define TN_VECTOR_TEST(kind, text) TN_TEST_NAMED(__COUNTER__, kind "\n" text)
#endif

/** A test that needs the desktop's pools (tn_config.h): with TN_DEVICE it is left out. */
#ifndef TN_DEVICE
#define TN_TEST_DESKTOP(text) TN_TEST(text)
#else
#define TN_TEST_DESKTOP(text) TN_TEST_LEFT_OUT(__COUNTER__)
#endif

/** In loops over very many cases the distance to the next: an emulated processor takes a part of them. */
#ifndef TN_TEST_EMULATED
#define TN_TEST_STEP 1
#else
#define TN_TEST_STEP 10
#endif

static inline bool tn_test_check(bool ok, const char *file, int line, const char *text)
{
	if (!ok) {
		tn_test_failures++;
		printf("# %s:%d: %s\n", file, line, text);
	}
	return ok;
}

static inline bool tn_test_check_equal(uint64_t got, uint64_t want, const char *file, int line, const char *text)
{
	if (got != want) {
		tn_test_failures++;
		printf("# %s:%d: %s: got %llu (0x%llx), want %llu (0x%llx)\n", file, line, text, (unsigned long long)got, (unsigned long long)got,
		       (unsigned long long)want, (unsigned long long)want);
	}
	return got == want;
}

static inline void tn_test_print_hex(const char *label, const void *bytes, size_t length)
{
	printf("#   %s ", label);
	for (size_t i = 0; i < length && i < 256; i++)
		printf("%02x", ((const uint8_t *)bytes)[i]);
	printf(length > 256 ? "... (%zu bytes)\n" : "\n", length);
}

static inline bool tn_test_check_memory(const void *got, const void *want, size_t length, const char *file, int line, const char *text)
{
	if (length == 0 || memcmp(got, want, length) == 0)
		return true;
	tn_test_failures++;
	printf("# %s:%d: %s differ\n", file, line, text);
	tn_test_print_hex("got ", got, length);
	tn_test_print_hex("want", want, length);
	return false;
}

/* The vector being checked, and how many were: with TN_VECTORS_ONLY they are what is counted. */
static const char *tn_test_vector;
static unsigned tn_test_vector_failures, tn_test_vectors_passed, tn_test_vectors_failed;

/** Begins the checks of the vector called name (at most 200 characters of it are shown); NULL ends those of the last. */
static inline void tn_test_begin_vector(const char *name)
{
	if (tn_test_vector) {
		if (tn_test_failures != tn_test_vector_failures) {
			printf("# in \"%.200s\"\n", tn_test_vector);
			tn_test_vectors_failed++;
		} else {
			tn_test_vectors_passed++;
		}
	}
	tn_test_vector = name;
	tn_test_vector_failures = tn_test_failures;
}

#define TEST_VECTOR(name) tn_test_begin_vector(name)
/* What holds for the committed vectors, and what a file of vectors has to have at all. */
#ifndef TN_VECTORS_ONLY
#define CHECK_COMMITTED(condition) CHECK(condition)
#define REQUIRE_VECTORS(list) REQUIRE((list)->count > 0)
#else
#define CHECK_COMMITTED(condition) ((void)(condition))
#define REQUIRE_VECTORS(list)                                                                                                                                  \
	do {                                                                                                                                                       \
		if ((list)->count == 0)                                                                                                                                \
			return;                                                                                                                                            \
	} while (0)
#endif

#define CHECK(condition) tn_test_check((condition) ? true : false, __FILE__, __LINE__, #condition)
#define CHECK_EQ(got, want) tn_test_check_equal((uint64_t)(got), (uint64_t)(want), __FILE__, __LINE__, #got " == " #want)
#define CHECK_MEM(got, want, length) tn_test_check_memory((got), (want), (length), __FILE__, __LINE__, #got " and " #want)
#define REQUIRE(condition)                                                                                                                                     \
	do {                                                                                                                                                       \
		if (!CHECK(condition))                                                                                                                                 \
			return;                                                                                                                                            \
	} while (0)

/** Next number of the seeded generator (SplitMix64). */
static inline uint64_t tn_test_random(void)
{
	uint64_t z = (tn_test_seed += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/** A number in 0..bound-1; bound is not 0. */
static inline uint32_t tn_test_random_below(uint32_t bound)
{
	return (uint32_t)(tn_test_random() >> 33) % bound;
}

static inline void tn_test_random_bytes(void *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)out)[i] = (uint8_t)(tn_test_random() >> 24);
}

/** Decodes hex digits into out (at most size bytes). @return the number of bytes, or SIZE_MAX for bad hex or too many */
static inline size_t tn_test_hex(const char *hex, uint8_t *out, size_t size)
{
	size_t length = strlen(hex) / 2;
	if (strlen(hex) % 2 != 0 || length > size)
		return SIZE_MAX;
	for (size_t i = 0; i < length; i++) {
		unsigned byte;
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return SIZE_MAX;
		out[i] = (uint8_t)byte;
	}
	return length;
}

#ifndef TN_TEST_OWN_RANDOM
void tn_port_random(void *out, size_t n);
void tn_port_random(void *out, size_t n)
{
	tn_test_random_bytes(out, n);
}
#endif

#ifndef TN_TEST_NO_MAIN
#ifndef TN_VECTORS_ONLY
int main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;
	if (tn_test_count > TN_TEST_MAX) {
		printf("not ok - more than %d tests in one file\n0 passed, 1 failed\n", TN_TEST_MAX);
		return 1;
	}
	for (size_t i = 0; i < tn_test_count; i++) {
		if (argc > 1 && !strstr(tn_test_cases[i].name, argv[1]))
			continue;
		tn_test_failures = 0;
		tn_test_seed = 1;
		tn_test_cases[i].run();
		tn_test_begin_vector(NULL);
		printf("%s - %s\n", tn_test_failures ? "not ok" : "ok", tn_test_cases[i].name);
		fflush(stdout);
		if (tn_test_failures)
			failed++;
		else
			passed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed ? 1 : 0;
}
#else
int main(void)
{
	const size_t kind = strlen(TN_VECTORS_ONLY);
	for (size_t i = 0; i < tn_test_count && i < TN_TEST_MAX; i++) {
		const char *name = tn_test_cases[i].name;
		const unsigned counted = tn_test_vectors_failed;
		if (strncmp(name, TN_VECTORS_ONLY, kind) != 0 || name[kind] != '\n')
			continue;
		tn_test_failures = 0;
		tn_test_seed = 1;
		tn_test_cases[i].run();
		tn_test_begin_vector(NULL);
		if (tn_test_failures && counted == tn_test_vectors_failed)
			tn_test_vectors_failed++;
		if (tn_test_failures)
			printf("not ok - %s\n", name + kind + 1);
	}
	printf("%u passed, %u failed\n", tn_test_vectors_passed, tn_test_vectors_failed);
	return tn_test_vectors_failed ? 1 : 0;
}
#endif
#endif

#endif
