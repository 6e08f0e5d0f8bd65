/*
 * Raw peers of the tests' network: WireGuard with nothing behind it, and packets of any content. Part of tn_net.h.
 */
#ifndef TN_NET_RAW_H
#define TN_NET_RAW_H

static inline void net_raw_send(void *context, unsigned slot, const uint8_t *datagram, size_t length)
{
	struct raw *raw = context;
	(void)slot;
	net_put(raw->net, raw->endpoint, raw->host->endpoint, datagram, length);
}

static inline bool net_raw_has_staged(void *context, unsigned slot)
{
	(void)context;
	(void)slot;
	return false;
}

static inline void net_raw_nothing(void *context, unsigned slot)
{
	(void)context;
	(void)slot;
}

/** A raw peer of host, configured there in slot 1. It has the addresses of its number; prefixes may be added. */
static inline struct raw *net_raw(struct host *host, unsigned number, const uint8_t *prefixes, size_t prefix_count, uint8_t flags)
{
	struct raw *raw = calloc(1, sizeof *raw);
	const struct tn_wg_host wg_host = {raw, net_raw_has_staged, net_raw_send, net_raw_nothing, net_raw_nothing};
	raw->net = host->net;
	raw->host = host;
	tn_test_random_bytes(raw->private_key, 32);
	tn_x25519_public(raw->public_key, raw->private_key);
	net_addresses(number, raw->address4, raw->address6, raw->endpoint);
	tn_wg_init(&raw->wg, raw->peers, 2, raw->indices, &wg_host);
	tn_clock_init(&raw->wg.clock, 1700000000000u + raw->net->now, 1900000000, raw->net->now);
	tn_wg_set_key(&raw->wg, raw->private_key, raw->net->now);
	CHECK(tn_wg_peer_add(&raw->wg, 0, host->public_key, raw->net->now));
	for (size_t i = 0; i < NET_RAW; i++) {
		if (raw->net->raws[i] == NULL) {
			raw->net->raws[i] = raw;
			break;
		}
	}
	net_peer(host, 1, raw->public_key, raw->address4, raw->address6, prefixes, prefix_count, 0, flags);
	net_path(host, 1, raw->endpoint, UINT64_MAX, 0);
	return raw;
}

static inline void net_raw_receive(struct raw *raw, struct net_datagram *datagram)
{
	struct tn_wg_in in = {.kind = TN_WG_NOTHING};
	tn_wg_receive(&raw->wg, datagram->bytes, datagram->length, datagram->from, 18, raw->net->now, &in);
	if ((in.events & TN_WG_SESSION) != 0)
		raw->has_session = true;
	if (in.reply_to != TN_WG_REPLY_NONE)
		net_put(raw->net, raw->endpoint, datagram->from, in.reply, in.reply_length);
	if (in.kind == TN_WG_DATA && raw->packet_count < 256) {
		struct net_datagram *packet = &raw->packets[raw->packet_count++];
		memcpy(packet->bytes, datagram->bytes + in.offset, in.length);
		packet->length = (uint16_t)in.length;
	}
}

/** Makes a session from the raw peer's side. */
static inline void net_raw_handshake(struct raw *raw)
{
	tn_wg_initiate(&raw->wg, 0, raw->net->now);
	net_settle(raw->net);
	CHECK(raw->has_session);
	raw->packet_count = 0;
}

/** Sends any bytes as an inner packet, without padding beyond WireGuard's. */
static inline void net_raw_packet(struct raw *raw, const uint8_t *packet, size_t length)
{
	uint8_t buffer[16 + 2100 + 48] = {0};
	memcpy(buffer + 16, packet, length);
	size_t total = tn_wg_seal(&raw->wg, 0, buffer + 16, length, raw->net->now);
	CHECK(total > 0);
	net_put(raw->net, raw->endpoint, raw->host->endpoint, buffer, total);
}

/** Writes an IP packet with the given payload; checksums are filled in. @return its length */
static inline size_t net_ip(uint8_t *out, const uint8_t source[16], const uint8_t destination[16], uint8_t protocol, const uint8_t *payload, size_t length)
{
	if (tn_address_is_ip4(source)) {
		memset(out, 0, 20);
		out[0] = 0x45;
		tn_store16be(out + 2, (uint16_t)(20 + length));
		out[8] = 64;
		out[9] = protocol;
		memcpy(out + 12, source + 12, 4);
		memcpy(out + 16, destination + 12, 4);
		memcpy(out + 20, payload, length);
		tn_checksum_fill(out, 20 + length);
		return 20 + length;
	}
	memset(out, 0, 40);
	out[0] = 0x60;
	tn_store16be(out + 4, (uint16_t)length);
	out[6] = protocol;
	out[7] = 64;
	memcpy(out + 8, source, 16);
	memcpy(out + 24, destination, 16);
	memcpy(out + 40, payload, length);
	tn_checksum_fill(out, 40 + length);
	return 40 + length;
}

static inline size_t net_udp(uint8_t *out, const uint8_t source[16], const uint8_t destination[16], uint16_t from, uint16_t to, const uint8_t *payload,
                             size_t length)
{
	uint8_t datagram[2048];
	tn_store16be(datagram, from);
	tn_store16be(datagram + 2, to);
	tn_store16be(datagram + 4, (uint16_t)(8 + length));
	tn_store16be(datagram + 6, 0);
	memcpy(datagram + 8, payload, length);
	return net_ip(out, source, destination, TN_PROTOCOL_UDP, datagram, 8 + length);
}

static inline size_t net_tcp(uint8_t *out, const uint8_t source[16], const uint8_t destination[16], uint16_t from, uint16_t to, uint32_t sequence,
                             uint32_t acknowledged, uint8_t flags, const uint8_t *payload, size_t length)
{
	uint8_t segment[2048] = {0};
	tn_store16be(segment, from);
	tn_store16be(segment + 2, to);
	tn_store32be(segment + 4, sequence);
	tn_store32be(segment + 8, acknowledged);
	segment[12] = 0x50;
	segment[13] = flags;
	tn_store16be(segment + 14, 0xffff);
	if (length > 0)
		memcpy(segment + 20, payload, length);
	return net_ip(out, source, destination, TN_PROTOCOL_TCP, segment, 20 + length);
}

#endif
