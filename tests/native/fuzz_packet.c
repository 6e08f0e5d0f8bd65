/* Any bytes as an IP packet: parsed, asked about, rewritten, given checksums. */
#include <stdlib.h>

#include "tn_checksum.h"
#include "tn_packet.h"
#include "tn_tsmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tn_packet packet;
	tn_packet_parse(&packet, data, size);
	if (packet.length > size || (packet.protocol != TN_PROTOCOL_UNKNOWN && packet.transport > packet.length))
		abort();
	tn_packet_is_echo_request(&packet);
	tn_packet_is_echo_reply(&packet);
	tn_packet_is_icmp_error(&packet);
	tn_packet_is_to_multicast(&packet);
	tn_packet_is_to_link_local(&packet);
	uint8_t *copy = malloc(size ? size : 1), reject[TN_TSMP_MAX];
	for (size_t i = 0; i < size; i++)
		copy[i] = data[i];
	tn_tsmp_reject(reject, sizeof reject, &packet, TN_TSMP_BY_RULES);
	/* Two changes that cancel each other leave a packet with right checksums as it was. */
	tn_packet_parse(&packet, copy, size);
	if (tn_checksum_fill(copy, size)) {
		uint8_t *before = malloc(size);
		for (size_t i = 0; i < size; i++)
			before[i] = copy[i];
		const struct tn_packet original = packet;
		uint8_t other[16];
		for (size_t i = 0; i < 16; i++)
			other[i] = packet.version == 4 && i < 12 ? packet.source[i] : (uint8_t)(packet.source[i] ^ 0x5a);
		if (tn_packet_set_source(&packet, copy, other) && tn_packet_set_source(&packet, copy, original.source)) {
			for (size_t i = 0; i < size; i++) {
				/* 0 and ffff are the same sum. */
				if (copy[i] != before[i] && !((copy[i] == 0 && before[i] == 0xff) || (copy[i] == 0xff && before[i] == 0)))
					abort();
			}
		}
		free(before);
	}
	free(copy);
	return 0;
}
