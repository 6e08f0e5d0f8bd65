/*
 * See tn_clock.h. Unix nanoseconds in 64 bits last until 2554; a start beyond that is cut there.
 */
#include "tn_clock.h"

#include "tn_bytes.h"

#define SECOND 1000000000u
#define MILLISECOND 1000000u
#define MAX_SECONDS (UINT64_MAX / SECOND - 1)

static uint64_t from_ms(uint64_t unix_ms)
{
	return (unix_ms / 1000 < MAX_SECONDS ? unix_ms : MAX_SECONDS * 1000) * MILLISECOND;
}

static uint64_t from_seconds(uint64_t seconds)
{
	return (seconds < MAX_SECONDS ? seconds : MAX_SECONDS) * SECOND;
}

/* Clears the low 24 bits of the nanoseconds within the second. */
static uint64_t whiten(uint64_t nanoseconds)
{
	const uint64_t fraction = nanoseconds % SECOND;
	return nanoseconds - fraction + (fraction & ~(uint64_t)(TN_TIMESTAMP_GRANULE - 1));
}

static uint64_t current(const struct tn_clock *clock, uint64_t now)
{
	const uint64_t elapsed_ms = now > clock->base_now ? now - clock->base_now : 0;
	const uint64_t room = UINT64_MAX - clock->base;
	return elapsed_ms < room / MILLISECOND ? clock->base + elapsed_ms * MILLISECOND : UINT64_MAX - SECOND;
}

void tn_tai64n(uint8_t timestamp[TN_TIMESTAMP_SIZE], uint64_t seconds, uint32_t nanoseconds)
{
	tn_store64be(timestamp, 0x400000000000000au + seconds);
	tn_store32be(timestamp + 8, nanoseconds & ~(TN_TIMESTAMP_GRANULE - 1));
}

void tn_clock_init(struct tn_clock *clock, uint64_t unix_ms, uint64_t bound_seconds, uint64_t now)
{
	clock->base = from_ms(unix_ms);
	clock->base_now = now;
	clock->last = 0;
	clock->bound = from_seconds(bound_seconds);
}

void tn_clock_set(struct tn_clock *clock, uint64_t unix_ms, uint64_t bound_seconds, uint64_t now)
{
	const uint64_t trusted = from_ms(unix_ms);
	const uint64_t bound = from_seconds(bound_seconds);
	if (trusted > current(clock, now)) {
		clock->base = trusted;
		clock->base_now = now;
	}
	if (bound > clock->bound)
		clock->bound = bound;
}

bool tn_clock_next(struct tn_clock *clock, uint64_t now, uint8_t timestamp[TN_TIMESTAMP_SIZE])
{
	/* Past the bound the values still grow by granules from the last one, which usually lies far below it. */
	const uint64_t least = clock->last ? clock->last + TN_TIMESTAMP_GRANULE : 0;
	uint64_t value = current(clock, now);
	if (value < least || (value > clock->bound && clock->last))
		value = least;
	if (value > clock->bound)
		return false;
	value = whiten(value);
	clock->last = value;
	tn_tai64n(timestamp, value / SECOND, (uint32_t)(value % SECOND));
	return true;
}

uint64_t tn_clock_remaining(const struct tn_clock *clock, uint64_t now)
{
	const uint64_t value = current(clock, now);
	return value < clock->bound ? (clock->bound - value) / SECOND : 0;
}
