/* tn_clock.h: TAI64N across reboots and clock jumps. */
#include "tn_clock.h"
#include "tn_vectors.h"
#include "vectors_wireguard.h"

#define HOUR 3600u

TN_VECTOR_TEST("wireguard", "[tunnel 1] every tai64n vector")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "tai64n");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		uint8_t want[12], got[12];
		TEST_VECTOR(tn_vector_get(&list->items[i], "tai64n")->text);
		CHECK_EQ(tn_vector_hex(tn_vector_get(&list->items[i], "tai64n"), want, 12), 12);
		tn_tai64n(got, tn_vector_number(tn_vector_get(&list->items[i], "unix_seconds")),
		          (uint32_t)tn_vector_number(tn_vector_get(&list->items[i], "nanoseconds")));
		CHECK_MEM(got, want, 12);
	}
}

TN_TEST("two timestamps within one granule differ, each greater than the last")
{
	struct tn_clock clock;
	uint8_t last[12] = {0}, next[12];
	tn_clock_init(&clock, 1764000000999u, 1764003600u, 5000);
	for (uint64_t i = 0; i < 1000; i++) {
		REQUIRE(tn_clock_next(&clock, 5000 + i / 3, next));
		CHECK(memcmp(next, last, 12) > 0);
		CHECK_EQ(next[9] | next[10] | next[11], 0);
		memcpy(last, next, 12);
	}
}

TN_TEST("a timestamp follows the elapsed time")
{
	struct tn_clock clock;
	uint8_t got[12], want[12];
	tn_clock_init(&clock, 1764000000000u, 1764003600u, 77);
	CHECK(tn_clock_next(&clock, 77 + 12345, got));
	tn_tai64n(want, 1764000012u, 345000000u);
	CHECK_MEM(got, want, 12);
	CHECK_EQ(tn_clock_remaining(&clock, 77 + 12345), 3600 - 13);
	CHECK_EQ(tn_clock_remaining(&clock, 77 + 3600000), 0);
}

TN_TEST("no timestamp passes the bound, and a raised bound lets them go on")
{
	struct tn_clock clock;
	uint8_t got[12], bound[12], last[12];
	tn_tai64n(bound, 1000, 0);
	tn_clock_init(&clock, 990000, 1000, 0);
	CHECK(tn_clock_next(&clock, 5000, last));
	/* Past the bound they grow by granules up to it. */
	unsigned given = 0;
	while (tn_clock_next(&clock, 60000, got)) {
		CHECK(memcmp(got, last, 12) > 0);
		CHECK(memcmp(got, bound, 12) <= 0);
		memcpy(last, got, 12);
		given++;
	}
	CHECK(given > 250 && given < 310);
	tn_clock_set(&clock, 0, 4600, 60000);
	CHECK(tn_clock_next(&clock, 60000, got));
	CHECK(memcmp(got, last, 12) > 0);

	tn_clock_init(&clock, 2000000, 1000, 0);
	CHECK(!tn_clock_next(&clock, 0, got));
}

TN_TEST("[tunnel 13] after reboots without a clock every first timestamp is greater than any sent before, wherever the power was cut")
{
	/* Flash holds the bound. At boot: base = flash, flash = base + 3600, and only then may an initiation leave. */
	uint64_t flash = 1764000000u;
	uint8_t greatest[12] = {0}, sent[12];
	for (unsigned boot = 0; boot < 200; boot++) {
		struct tn_clock clock;
		const uint64_t base = flash;
		if (tn_test_random_below(4) == 0)
			continue; /* power cut before the write */
		flash = base + HOUR;
		if (tn_test_random_below(4) == 0)
			continue; /* power cut between the write and the first initiation */
		tn_clock_init(&clock, base * 1000, flash, 0);
		const uint64_t uptime_s = tn_test_random_below(3 * HOUR);
		bool first = true;
		for (uint64_t second = 0; second < uptime_s; second += 1 + tn_test_random_below(300)) {
			if (tn_clock_remaining(&clock, second * 1000) < 600 && tn_test_random_below(8) != 0) {
				flash += HOUR;
				tn_clock_set(&clock, 0, flash, second * 1000);
			}
			if (!tn_clock_next(&clock, second * 1000, sent))
				continue;
			if (first && !CHECK(memcmp(sent, greatest, 12) > 0))
				return;
			first = false;
			CHECK(memcmp(sent, greatest, 12) > 0);
			memcpy(greatest, sent, 12);
		}
	}
	CHECK(greatest[0] == 0x40);
}

TN_TEST("[tunnel 14] a trusted clock is followed forward and never back")
{
	struct tn_clock clock;
	uint8_t before[12], after[12], want[12];
	tn_clock_init(&clock, 1000000, 4000000000u, 0);
	CHECK(tn_clock_next(&clock, 10, before));
	tn_clock_set(&clock, 1764000000000u, 0, 20);
	CHECK(tn_clock_next(&clock, 1020, after));
	tn_tai64n(want, 1764000001u, 0);
	CHECK_MEM(after, want, 12);
	memcpy(before, after, 12);
	tn_clock_set(&clock, 1000, 0, 1030); /* backwards */
	CHECK(tn_clock_next(&clock, 1040, after));
	CHECK(memcmp(after, before, 12) > 0);
	tn_tai64n(want, 1764000001u, 20000000);
	CHECK_MEM(after, want, 12);
}

TN_TEST("absurd times neither overflow nor go back")
{
	struct tn_clock clock;
	uint8_t a[12], b[12];
	tn_clock_init(&clock, UINT64_MAX, UINT64_MAX, UINT64_MAX - 5);
	(void)tn_clock_next(&clock, UINT64_MAX, a);
	tn_clock_init(&clock, 0, UINT64_MAX, 0);
	CHECK(tn_clock_next(&clock, 1000, a));
	tn_clock_set(&clock, 5000, UINT64_MAX, UINT64_MAX);
	CHECK(!tn_clock_next(&clock, UINT64_MAX, b) || memcmp(b, a, 12) > 0);
}
