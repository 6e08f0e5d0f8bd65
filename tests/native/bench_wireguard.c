/*
 * What the WireGuard device costs a packet of 1,280 bytes, beside libsodium's AEAD alone; and what a handshake and a flood cost.
 * Built with optimisation and without sanitizers by `node tests/native/build.js bench`.
 */
#define TN_TEST_NO_MAIN
#include <time.h>

#include "tn_pair.h"
#include "tn_routes.h"

#define ROUNDS 200000u

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *what, double elapsed, unsigned rounds)
{
	printf("%-58s %8.1f ns\n", what, elapsed / rounds * 1e9);
}

static void routes(unsigned count)
{
	static struct tn_routes table;
	static struct tn_route entries[1024];
	static uint16_t heads[1024];
	char text[80];
	tn_routes_init(&table, entries, 1024, heads, 1024);
	for (unsigned i = 0; i < count; i++) {
		uint8_t prefix[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 64, (uint8_t)(i >> 8), (uint8_t)i};
		tn_routes_add(&table, (uint16_t)(i % 64), prefix, i % 4 ? 128 : 100 + i % 28, TN_ROUTE_SINGLE);
	}
	unsigned found = 0;
	double start = seconds();
	for (unsigned i = 0; i < ROUNDS; i++) {
		const uint8_t address[4] = {100, 64, (uint8_t)(i % count >> 8), (uint8_t)(i % count)};
		found += tn_routes_destination(&table, 4, address) >= 0;
	}
	(void)snprintf(text, sizeof text, "destination of a node address, %u prefixes", count);
	report(text, seconds() - start, ROUNDS);
	start = seconds();
	for (unsigned i = 0; i < ROUNDS; i++) {
		const uint8_t address[4] = {8, 8, (uint8_t)(i >> 8), (uint8_t)i};
		found += tn_routes_lookup(&table, 4, address) >= 0;
	}
	(void)snprintf(text, sizeof text, "longest match that finds nothing, %u prefixes", count);
	report(text, seconds() - start, ROUNDS);
	if (found == 0)
		printf("nothing found\n");
}

int main(void)
{
	struct device *a, *b;
	static uint8_t datagram[DATAGRAM];
	double aead_seal, aead_open = 0, seal, receive = 0, start;
	uint8_t key[32] = {1};
	memset(datagram, 0, sizeof datagram);

	start = seconds();
	for (unsigned i = 0; i < ROUNDS; i++)
		tn_aead_seal(datagram + 16, key, i, datagram + 16, 1280, NULL, 0);
	report("libsodium AEAD, seal 1,280 bytes", aead_seal = seconds() - start, ROUNDS);
	for (unsigned i = 0; i < ROUNDS / 100; i++) {
		static uint8_t sealed[100][DATAGRAM];
		for (unsigned k = 0; k < 100; k++)
			tn_aead_seal(sealed[k], key, k, datagram, 1280, NULL, 0);
		start = seconds();
		for (unsigned k = 0; k < 100; k++)
			if (!tn_aead_open(sealed[k], key, k, sealed[k], 1296, NULL, 0))
				return 1;
		aead_open += seconds() - start;
	}
	report("libsodium AEAD, open 1,280 bytes", aead_open, ROUNDS);

	session(&a, &b);
	now += 20;
	start = seconds();
	for (unsigned i = 0; i < ROUNDS; i++)
		(void)tn_wg_seal(&a->wg, 0, datagram + TN_WG_HEADER, 1280, now);
	report("tn_wg_seal, 1,280 bytes", seal = seconds() - start, ROUNDS);
	for (unsigned i = 0; i < ROUNDS / 100; i++) {
		static uint8_t sealed[100][DATAGRAM];
		size_t length = 0;
		for (unsigned k = 0; k < 100; k++) {
			fill_packet(sealed[k] + TN_WG_HEADER, 1280);
			length = tn_wg_seal(&a->wg, 0, sealed[k] + TN_WG_HEADER, 1280, now);
		}
		start = seconds();
		for (unsigned k = 0; k < 100; k++) {
			tn_wg_receive(&b->wg, sealed[k], length, a->source, 18, now, &b->in);
			if (b->in.kind != TN_WG_DATA)
				return 1;
		}
		receive += seconds() - start;
	}
	report("tn_wg_receive, 1,280 bytes", receive, ROUNDS);
	printf("over the AEAD: seal %.1f %%, receive %.1f %%\n", (seal / aead_seal - 1) * 100, (receive / aead_open - 1) * 100);

	start = seconds();
	for (unsigned i = 0; i < 500; i++) {
		now += 6000;
		(void)tn_wg_initiate(&a->wg, 0, now);
		pump();
		record_count = 0;
	}
	report("handshake, both sides", seconds() - start, 500);

	struct tn_cookie_jar jar = {0};
	uint8_t message[148] = {1};
	tn_cookie_add_macs(&jar, &b->wg.identity.cookie, message, 148, now);
	start = seconds();
	for (unsigned i = 0; i < ROUNDS; i++)
		tn_wg_receive(&b->wg, message, 148, a->source, 18, now, &b->in);
	report("flood: an initiation with valid mac1, under load", seconds() - start, ROUNDS);
	message[120] ^= 1;
	start = seconds();
	for (unsigned i = 0; i < ROUNDS; i++)
		tn_wg_receive(&b->wg, message, 148, a->source, 18, now, &b->in);
	report("flood: an initiation with wrong mac1", seconds() - start, ROUNDS);
	routes(64);
	routes(1000);
	return 0;
}
