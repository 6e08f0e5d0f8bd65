/*
 * TAI64N timestamps for handshake initiations. protocol/tunnel.md §1.7.
 *
 *   bytes 0..7   BE64, 0x400000000000000a + unix seconds
 *   bytes 8..11  BE32, nanoseconds with the low 24 bits cleared, so that no fine clock leaks
 *
 * Peers accept an initiation only when its timestamp is greater than any before, also across our reboots, and a value too far in the
 * future would lock us out after the clock is put right. So a node without a battery clock keeps in flash a bound that no
 * value sent ever passed, starts from it, and has reserved the next bound there before the first initiation leaves. This clock
 * gives max(last + 2^24 ns, start + elapsed), never a value above the bound: then there is no value, until the bound is raised.
 */
#ifndef TN_CLOCK_H
#define TN_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define TN_TIMESTAMP_SIZE 12
#define TN_TIMESTAMP_GRANULE (1u << 24) /* nanoseconds */

struct tn_clock {
	uint64_t base;     /* unix nanoseconds at base_now */
	uint64_t base_now; /* monotonic milliseconds */
	uint64_t last;     /* last value given, unix nanoseconds, whitened; 0: none */
	uint64_t bound;    /* unix nanoseconds */
};

/**
 * Starts the clock of a node key; forgets all values given.
 * @param unix_ms time to start from, not below any value ever sent with this node key
 * @param bound_seconds unix seconds that no value may pass
 * @param now monotonic milliseconds
 */
void tn_clock_init(struct tn_clock *clock, uint64_t unix_ms, uint64_t bound_seconds, uint64_t now);

/** Takes a trusted time: follows it forward, ignores it when it lies behind. The bound only grows. */
void tn_clock_set(struct tn_clock *clock, uint64_t unix_ms, uint64_t bound_seconds, uint64_t now);

/**
 * The next timestamp, greater than any before.
 * @return false when it would pass the bound
 */
bool tn_clock_next(struct tn_clock *clock, uint64_t now, uint8_t timestamp[TN_TIMESTAMP_SIZE]);

/** Whole seconds from now's value to the bound, 0 when it is reached: when it gets small, reserve more. */
uint64_t tn_clock_remaining(const struct tn_clock *clock, uint64_t now);

/** Writes unix seconds and nanoseconds as whitened TAI64N. */
void tn_tai64n(uint8_t timestamp[TN_TIMESTAMP_SIZE], uint64_t seconds, uint32_t nanoseconds);

#endif
