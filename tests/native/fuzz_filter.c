/* Any bytes as a filter block and packets to judge: u16 length of the block, the block, then packets with a byte of length each. */
#include <stdlib.h>
#include <string.h>

#include "tn_bytes.h"
#include "tn_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static bool has_capability(void *context, const uint8_t address[16], uint16_t capability)
{
	(void)context;
	return ((address[15] ^ capability) & 1) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tn_flows flows;
	struct tn_filter filter;
	if (size < 2)
		return 0;
	size_t length = tn_load16le(data);
	data += 2;
	size -= 2;
	if (length > size)
		length = size;
	uint8_t *block = malloc(length ? length : 1);
	memcpy(block, data, length);
	tn_flows_init(&flows, 1);
	tn_filter_init(&filter, &flows);
	const bool is_good = tn_filter_install(&filter, block, length, false) == 0;
	if (is_good != (tn_filter_check_block(block, length) == 0) || is_good != (filter.state == TN_FILTER_RULES))
		abort();
	for (size_t at = length; at < size;) {
		struct tn_packet packet;
		size_t part = data[at++];
		if (part > size - at)
			part = size - at;
		uint8_t *bytes = malloc(part ? part : 1);
		memcpy(bytes, data + at, part);
		at += part;
		tn_packet_parse(&packet, bytes, part);
		const enum tn_verdict in = tn_filter_in(&filter, &packet, has_capability, NULL);
		if (in == TN_ACCEPT && part > 0 && packet.protocol != TN_PROTOCOL_FRAGMENT && !tn_filter_is_local(&filter, packet.version, packet.destination))
			abort();
		tn_filter_out(&filter, &packet);
		free(bytes);
	}
	free(block);
	return 0;
}

/** Keeps magic and total length right, so that mutations reach the tables. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (size < 2 + TN_FILTER_HEADER || seed % 8 == 0)
		return size;
	uint64_t length = TN_FILTER_HEADER;
	static const uint8_t sizes[8] = {24, 16, 16, 32, 8, 16, 17, 2};
	memcpy(data + 2, "TNF1", 4);
	for (size_t i = 0; i < 8; i++) {
		uint32_t count = tn_load32le(data + 2 + 8 + 4 * i) & 7;
		if (length + (uint64_t)count * sizes[i] > size - 2)
			count = 0;
		if (i == 0 && count == 0 && length + 24 <= size - 2)
			count = 1;
		tn_store32le(data + 2 + 8 + 4 * i, count);
		length += (uint64_t)count * sizes[i];
	}
	tn_store32le(data + 2 + 44, 0);
	tn_store32le(data + 2 + 4, (uint32_t)length);
	tn_store16le(data, (uint16_t)length);
	return size;
}
