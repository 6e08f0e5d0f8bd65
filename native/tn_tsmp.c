/* TSMP messages, see tn_tsmp.h. */
#include "tn_tsmp.h"

#include <string.h>

#include "tn_bytes.h"
#include "tn_checksum.h"

#define PING_LENGTH 9
#define PONG_LENGTH 11
#define REJECT_LENGTH 7
#define DISCO_LENGTH 33
#define HOP_LIMIT 64

bool tn_tsmp_parse(struct tn_tsmp *message, const struct tn_packet *packet)
{
	memset(message, 0, sizeof *message);
	if (packet->protocol != TN_PROTOCOL_TSMP || packet->length <= packet->transport)
		return false;
	const uint8_t *bytes = packet->bytes + packet->transport;
	const size_t length = packet->length - packet->transport;
	switch (bytes[0]) {
	case TN_TSMP_PING:
		if (length < PING_LENGTH)
			return false;
		message->data = bytes + 1;
		break;
	case TN_TSMP_PONG:
		if (length < PING_LENGTH)
			return false;
		message->data = bytes + 1;
		if (length >= PONG_LENGTH)
			message->peerapi_port = tn_load16be(bytes + 9);
		break;
	case TN_TSMP_REJECT:
		if (length < REJECT_LENGTH)
			return false;
		message->protocol = bytes[1];
		message->reason = bytes[2];
		message->source_port = tn_load16be(bytes + 3);
		message->destination_port = tn_load16be(bytes + 5);
		message->maybe_broken = length > REJECT_LENGTH && (bytes[7] & 1) != 0;
		break;
	case TN_TSMP_DISCO:
		if (length < DISCO_LENGTH)
			return false;
		message->data = bytes + 1;
		break;
	default:
		return false;
	}
	message->kind = (enum tn_tsmp_kind)bytes[0];
	return true;
}

/**
 * Writes the IP header of a TSMP packet with `payload` bytes after it.
 * @param label IPv4 id or IPv6 flow label
 * @return where the payload goes, NULL if it does not fit
 */
static uint8_t *write_header(uint8_t *out, size_t size, unsigned version, const uint8_t source[16], const uint8_t destination[16], uint32_t label,
                             size_t payload)
{
	const size_t header = version == 4 ? TN_IP4_HEADER : TN_IP6_HEADER;
	if (size < header + payload)
		return NULL;
	memset(out, 0, header);
	if (version == 4) {
		out[0] = 0x45;
		tn_store16be(out + 2, (uint16_t)(header + payload));
		tn_store16be(out + 4, (uint16_t)label);
		out[8] = HOP_LIMIT;
		out[9] = TN_PROTOCOL_TSMP;
		memcpy(out + 12, source + 12, 4);
		memcpy(out + 16, destination + 12, 4);
		tn_store16be(out + 10, tn_checksum_ip4(out, header));
	} else {
		tn_store32be(out, 0x60000000u | (label & 0xfffffu));
		tn_store16be(out + 4, (uint16_t)payload);
		out[6] = TN_PROTOCOL_TSMP;
		out[7] = HOP_LIMIT;
		memcpy(out + 8, source, 16);
		memcpy(out + 24, destination, 16);
	}
	return out + header;
}

/** The label of a reply: the complement of the request's (protocol/tunnel.md §5.1). */
static uint32_t reply_label(const struct tn_packet *packet)
{
	return packet->version == 4 ? (uint32_t)(uint16_t)~tn_load16be(packet->bytes + 4) : ~tn_load32be(packet->bytes) & 0xfffffu;
}

size_t tn_tsmp_pong(uint8_t *out, size_t size, const struct tn_packet *ping, uint16_t port)
{
	struct tn_tsmp message;
	if (!tn_tsmp_parse(&message, ping) || message.kind != TN_TSMP_PING)
		return 0;
	uint8_t *payload = write_header(out, size, ping->version, ping->destination, ping->source, reply_label(ping), PONG_LENGTH);
	if (!payload)
		return 0;
	payload[0] = TN_TSMP_PONG;
	memcpy(payload + 1, message.data, 8);
	tn_store16be(payload + 9, port);
	return (size_t)(payload - out) + PONG_LENGTH;
}

size_t tn_tsmp_reject(uint8_t *out, size_t size, const struct tn_packet *refused, enum tn_tsmp_reason reason)
{
	if (refused->version != 4 || refused->protocol != TN_PROTOCOL_TCP)
		return 0;
	uint8_t *payload = write_header(out, size, 4, refused->destination, refused->source, 0, REJECT_LENGTH);
	if (!payload)
		return 0;
	payload[0] = TN_TSMP_REJECT;
	payload[1] = refused->protocol;
	payload[2] = (uint8_t)reason;
	tn_store16be(payload + 3, refused->source_port);
	tn_store16be(payload + 5, refused->destination_port);
	return (size_t)(payload - out) + REJECT_LENGTH;
}

/** Writes type and data of a message of our own, between two addresses of one family. */
static size_t write_own(uint8_t *out, size_t size, const uint8_t source[16], const uint8_t destination[16], enum tn_tsmp_kind kind, const uint8_t *data,
                        size_t length)
{
	if (tn_address_is_ip4(source) != tn_address_is_ip4(destination))
		return 0;
	uint8_t *payload = write_header(out, size, tn_address_is_ip4(source) ? 4 : 6, source, destination, 0, 1 + length);
	if (!payload)
		return 0;
	payload[0] = (uint8_t)kind;
	memcpy(payload + 1, data, length);
	return (size_t)(payload - out) + 1 + length;
}

size_t tn_tsmp_ping(uint8_t *out, size_t size, const uint8_t source[16], const uint8_t destination[16], const uint8_t data[8])
{
	return write_own(out, size, source, destination, TN_TSMP_PING, data, 8);
}

size_t tn_tsmp_disco(uint8_t *out, size_t size, const uint8_t source[16], const uint8_t destination[16], const uint8_t disco_key[32])
{
	return write_own(out, size, source, destination, TN_TSMP_DISCO, disco_key, 32);
}
