/* Any bytes as a DERP stream: cut anywhere, the frames are the same. The first byte says how it is cut. */
#include <stdlib.h>
#include <string.h>

#include "tn_derp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	uint64_t packets; /* a hash of all of them */
	uint64_t rest;
	size_t count;
	int broken;
};

static uint64_t hash(uint64_t state, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		state = (state ^ bytes[i]) * 0x100000001b3u;
	return state;
}

static void take(void *context, const uint8_t source[32], const uint8_t *packet, size_t length)
{
	struct result *result = context;
	if (length > TN_DERP_PACKET_MAX)
		abort();
	result->packets = hash(hash(result->packets, source, 32), packet, length) + length;
	result->count++;
}

static void run(const uint8_t *data, size_t size, unsigned piece, struct result *result)
{
	static struct tn_derp derp;
	memset(result, 0, sizeof *result);
	tn_derp_init(&derp);
	for (size_t at = 0; at < size && !result->broken;) {
		const size_t part = piece == 0 || piece > size - at ? size - at : piece;
		const size_t rest_size = part + TN_DERP_ASSEMBLY;
		uint8_t *in = malloc(part), *rest = malloc(rest_size);
		memcpy(in, data + at, part);
		const ptrdiff_t written = tn_derp_receive(&derp, in, part, take, result, rest, rest_size);
		if (written < 0)
			result->broken = 1;
		else
			result->rest = hash(result->rest, rest, (size_t)written);
		free(in);
		free(rest);
		at += part;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole, cut;
	if (size < 1)
		return 0;
	run(data + 1, size - 1, 0, &whole);
	run(data + 1, size - 1, 1 + data[0] % 64u, &cut);
	if (whole.broken != cut.broken || whole.packets != cut.packets || whole.count != cut.count || (!whole.broken && whole.rest != cut.rest))
		abort();
	return 0;
}
