/*
 * Datagrams on their way to UDP, in runs.
 */
#include "tn_out.h"

#include <string.h>

void tn_out_init(struct tn_out *out, uint8_t *bytes, uint32_t size)
{
	out->bytes = bytes;
	out->size = size;
	tn_out_clear(out);
}

void tn_out_clear(struct tn_out *out)
{
	out->used = 0;
	out->run_count = 0;
	out->closed = true;
}

void tn_out_add(struct tn_out *out, const uint8_t endpoint[TN_ENDPOINT], uint32_t length)
{
	struct tn_out_run *run = &out->runs[out->run_count > 0 ? out->run_count - 1 : 0];
	if (!out->closed && length <= run->segment && run->segments < TN_OUT_RUN_SEGMENTS && run->length + length <= TN_OUT_RUN_BYTES &&
	    memcmp(run->endpoint, endpoint, TN_ENDPOINT) == 0) {
		run->segments++;
		run->length += length;
		out->closed = length < run->segment;
	} else {
		run = &out->runs[out->run_count++];
		memcpy(run->endpoint, endpoint, TN_ENDPOINT);
		run->segments = 1;
		run->segment = (uint16_t)length;
		run->offset = out->used;
		run->length = length;
		out->closed = false;
	}
	out->used += length;
}
