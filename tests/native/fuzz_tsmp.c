/* Any bytes as a TSMP packet: read, answered. The answer to a ping is a pong that reads back. */
#include <stdlib.h>
#include <string.h>

#include "tn_tsmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tn_packet packet, answer;
	struct tn_tsmp message, pong;
	uint8_t out[TN_TSMP_MAX];
	tn_packet_parse(&packet, data, size);
	const bool is_message = tn_tsmp_parse(&message, &packet);
	const size_t length = tn_tsmp_pong(out, sizeof out, &packet, 4711);
	if ((length > 0) != (is_message && message.kind == TN_TSMP_PING))
		abort();
	if (length > 0) {
		tn_packet_parse(&answer, out, length);
		if (!tn_tsmp_parse(&pong, &answer) || pong.kind != TN_TSMP_PONG || pong.peerapi_port != 4711 || memcmp(pong.data, message.data, 8) != 0)
			abort();
		if (memcmp(answer.source, packet.destination, 16) != 0 || memcmp(answer.destination, packet.source, 16) != 0)
			abort();
	}
	return 0;
}
