/*
 * The tunnel's configuration (identity, filter, peers, paths) and its clock.
 */
#include "tn_tunnel.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_port.h"
#include "tn_records.h"

/* TN_COMMAND_IDENTITY */
#define IDENTITY_DISCO 36
#define IDENTITY_V4 68
#define IDENTITY_V6 72
#define IDENTITY_PEERAPI 88
#define IDENTITY_CLOCK 92
#define IDENTITY_SIZE 108

/* TN_COMMAND_PEER */
#define PEER_KEY 8
#define PEER_MASQUERADE4 40
#define PEER_MASQUERADE6 44
#define PEER_COUNTS 60
#define PEER_LISTS 64
#define PREFIX_SIZE 18
#define PEER_JAILED 1
#define PEER_SAVED 2
#define SAVED_SIZE (TN_ENDPOINT + TN_WG_SAVED_SIZE)

/* TN_COMMAND_PATH */
#define PATH_ENDPOINT 8
#define PATH_UNTIL 28
#define PATH_SIZE 36

#define ACTIVITY_MS 1000u

static bool has_staged(void *context, unsigned slot)
{
	struct tn_tunnel *tunnel = context;
	return tunnel->peers[slot].staged.count > 0;
}

static void send_message(void *context, unsigned slot, const uint8_t *datagram, size_t length)
{
	tn_tunnel_send_to_peer(context, slot, datagram, length);
}

static void drop_staged(void *context, unsigned slot)
{
	struct tn_tunnel *tunnel = context;
	tn_staged_drop(&tunnel->staged, &tunnel->peers[slot].staged);
}

static uint32_t handle_of(const struct tn_tunnel *tunnel, unsigned slot)
{
	return slot | (uint32_t)tunnel->peers[slot].generation << 16;
}

static void idle(void *context, unsigned slot)
{
	struct tn_tunnel *tunnel = context;
	uint8_t handle[4];
	tn_store32le(handle, handle_of(tunnel, slot));
	tn_events_put(tunnel->events, TN_EVENT_PEER_IDLE, 0, 0, handle, sizeof handle, NULL, 0);
}

void tn_tunnel_init(struct tn_tunnel *tunnel, void *host, struct tn_events *events, const struct tn_tunnel_upper *upper)
{
	uint32_t seeds[2];
	const struct tn_wg_host wg_host = {.context = tunnel, .has_staged = has_staged, .send = send_message, .drop_staged = drop_staged, .idle = idle};
	tunnel->host = host;
	tunnel->events = events;
	tunnel->upper = *upper;
	tn_port_random(seeds, sizeof seeds);
	tn_flows_init(&tunnel->flows, seeds[0]);
	tn_flows_init(&tunnel->jailed_flows, seeds[1]);
	tn_filter_init(&tunnel->filter, &tunnel->flows);
	tn_filter_init(&tunnel->jailed_filter, &tunnel->jailed_flows);
	tn_routes_init(&tunnel->routes, tunnel->route_table, TN_ROUTES, tunnel->route_heads, TN_ROUTE_HEADS);
	tn_wg_init(&tunnel->wg, tunnel->wg_peers, TN_PEERS, tunnel->wg_indices, &wg_host);
	tn_sources_init(&tunnel->disco_sources, TN_DISCO_RATE, TN_DISCO_BURST);
	tn_out_init(&tunnel->out, tunnel->out_bytes, TN_OUT_BYTES);
	tn_relay_init(&tunnel->relay, host);
	tn_staged_init(&tunnel->staged);
	tn_waiting_init(&tunnel->waiting);
}

void tn_tunnel_free(struct tn_tunnel *tunnel)
{
	tn_wg_wipe(&tunnel->wg);
	tn_filter_block_all(&tunnel->filter);
	tn_filter_block_all(&tunnel->jailed_filter);
	tn_port_free(tunnel->filter_block);
	tunnel->filter_block = NULL;
	tn_relay_free(&tunnel->relay);
}

bool tn_tunnel_is_own(const struct tn_tunnel *tunnel, const uint8_t address[16])
{
	return (tunnel->has_address4 && memcmp(address, tunnel->address4, 16) == 0) || (tunnel->has_address6 && memcmp(address, tunnel->address6, 16) == 0);
}

/** Copies an IPv4 address into its 16-byte form. @return whether it is not 0.0.0.0 */
static bool take_address4(uint8_t out[16], const uint8_t ip4[4])
{
	tn_address_from_ip4(out, ip4);
	return !tn_is_zero(ip4, 4);
}

bool tn_tunnel_identity(struct tn_tunnel *tunnel, const uint8_t *record, size_t length)
{
	if (length < IDENTITY_SIZE || tunnel->is_suspended)
		return false;
	const uint8_t *private_key = record + TN_RECORD_HEAD;
	uint64_t unix_ms = tn_load64le(record + IDENTITY_CLOCK);
	uint64_t bound = tn_load64le(record + IDENTITY_CLOCK + 8);
	bool logged_out = tn_is_zero(private_key, 32);
	bool same = tunnel->has_key && !logged_out && tn_equal(tunnel->wg.identity.private_key, private_key, 32);
	tunnel->has_key = !logged_out;
	if (same)
		tn_clock_set(&tunnel->wg.clock, unix_ms, bound, tunnel->now);
	else
		tn_clock_init(&tunnel->wg.clock, unix_ms, bound, tunnel->now);
	tn_wg_set_key(&tunnel->wg, logged_out ? NULL : private_key, tunnel->now);
	if (!same) {
		tn_relay_clear(&tunnel->relay);
		for (unsigned slot = 0; slot < TN_PEERS; slot++)
			tunnel->peers[slot].advertised = false;
	}
	memcpy(tunnel->disco_key, record + IDENTITY_DISCO, 32);
	tunnel->has_address4 = take_address4(tunnel->address4, record + IDENTITY_V4);
	memcpy(tunnel->address6, record + IDENTITY_V6, 16);
	tunnel->has_address6 = TN_IPV6 && !tn_is_zero(tunnel->address6, 16);
	tunnel->peerapi4 = tn_load16le(record + IDENTITY_PEERAPI);
	tunnel->peerapi6 = tn_load16le(record + IDENTITY_PEERAPI + 2);
	return true;
}

void tn_tunnel_filter(struct tn_tunnel *tunnel, uint8_t *block, size_t length, bool shields_up)
{
	tunnel->shields_up = shields_up;
	if (block == NULL || tn_filter_install(&tunnel->filter, block, length, shields_up) != 0) {
		tn_filter_block_all(&tunnel->filter);
		tn_filter_block_all(&tunnel->jailed_filter);
		tn_port_free(block);
		block = NULL;
	} else {
		tn_filter_install(&tunnel->jailed_filter, block, length, true);
	}
	tn_port_free(tunnel->filter_block);
	tunnel->filter_block = block;
}

/** The peer of a handle, or NULL when the slot is another's by now. */
static struct tn_peer *peer_of(struct tn_tunnel *tunnel, uint32_t handle, unsigned *slot)
{
	*slot = handle & 0xffff;
	if (*slot >= TN_PEERS || !tunnel->peers[*slot].used || tunnel->peers[*slot].generation != handle >> 16)
		return NULL;
	return &tunnel->peers[*slot];
}

static void remove_slot(struct tn_tunnel *tunnel, unsigned slot)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	tn_staged_drop(&tunnel->staged, &peer->staged);
	tn_routes_remove(&tunnel->routes, (uint16_t)slot);
	tn_wg_peer_evict(&tunnel->wg, slot, tunnel->now);
	memset(peer, 0, sizeof *peer);
}

void tn_tunnel_peer_remove(struct tn_tunnel *tunnel, uint32_t handle)
{
	unsigned slot;
	if (peer_of(tunnel, handle, &slot) != NULL)
		remove_slot(tunnel, slot);
}

void tn_tunnel_session_drop(struct tn_tunnel *tunnel, uint32_t handle)
{
	unsigned slot;
	struct tn_peer *peer = peer_of(tunnel, handle, &slot);
	if (peer == NULL)
		return;
	peer->advertised = false;
	tn_wg_peer_drop_sessions(&tunnel->wg, slot, tunnel->now);
	if (peer->staged.count > 0)
		tn_wg_initiate(&tunnel->wg, slot, tunnel->now);
}

bool tn_tunnel_peer(struct tn_tunnel *tunnel, const uint8_t *record, size_t length)
{
	if (length < PEER_LISTS || tunnel->is_suspended)
		return false;
	uint32_t handle = tn_load32le(record + 4);
	unsigned slot = handle & 0xffff;
	size_t capabilities = tn_load16le(record + PEER_COUNTS);
	size_t prefixes = tn_load16le(record + PEER_COUNTS + 2);
	size_t saved_at = PEER_LISTS + 2 * capabilities + PREFIX_SIZE * prefixes;
	bool has_saved = (record[1] & PEER_SAVED) != 0;
	if (slot >= TN_PEERS || length < saved_at + (has_saved ? SAVED_SIZE : 0))
		return false;
	struct tn_peer *peer = &tunnel->peers[slot];
	if (peer->used && memcmp(peer->public_key, record + PEER_KEY, 32) != 0)
		remove_slot(tunnel, slot);
	int other = tn_wg_peer_find(&tunnel->wg, record + PEER_KEY);
	if (other >= 0 && (unsigned)other != slot)
		remove_slot(tunnel, (unsigned)other);
	if (!tn_wg_peer_add(&tunnel->wg, slot, record + PEER_KEY, tunnel->now)) {
		if (peer->used)
			remove_slot(tunnel, slot);
		return false;
	}
	if (!peer->used) {
		memset(peer, 0, sizeof *peer);
		tn_staged_list_init(&peer->staged);
		peer->used = true;
		memcpy(peer->public_key, record + PEER_KEY, 32);
	}
	peer->generation = (uint16_t)(handle >> 16);
	peer->jailed = record[1] & PEER_JAILED;
	peer->home_region = tn_load16le(record + 2);
	peer->has_masquerade4 = take_address4(peer->masquerade4, record + PEER_MASQUERADE4);
	memcpy(peer->masquerade6, record + PEER_MASQUERADE6, 16);
	peer->has_masquerade6 = !tn_is_zero(peer->masquerade6, 16);
	peer->capability_count = (uint16_t)(capabilities < TN_PEER_CAPABILITIES ? capabilities : TN_PEER_CAPABILITIES);
	tunnel->counters.capacity += (uint32_t)(capabilities - peer->capability_count);
	for (size_t i = 0; i < peer->capability_count; i++)
		peer->capabilities[i] = tn_load16le(record + PEER_LISTS + 2 * i);
	const uint8_t *prefix = record + PEER_LISTS + 2 * capabilities;
	tn_routes_remove(&tunnel->routes, (uint16_t)slot);
	peer->address_count = 0;
	for (size_t i = 0; i < prefixes; i++, prefix += PREFIX_SIZE) {
		if (!TN_IPV6 && !tn_address_is_ip4(prefix))
			continue;
		if (!tn_routes_add(&tunnel->routes, (uint16_t)slot, prefix, prefix[16], prefix[17] & TN_ROUTE_SINGLE))
			tunnel->counters.capacity++;
		else if ((prefix[17] & TN_ROUTE_SINGLE) != 0 && peer->address_count < TN_PEER_ADDRESSES)
			memcpy(peer->addresses[peer->address_count++], prefix, 16);
	}
	if (has_saved)
		tn_tunnel_adopt(tunnel, slot, record + saved_at);
	return true;
}

#if TN_SUBNET

bool tn_tunnel_subnets(struct tn_tunnel *tunnel, const uint8_t *record, size_t length)
{
	if (length < TN_RECORD_HEAD || (length - TN_RECORD_HEAD) % PREFIX_SIZE != 0)
		return false;
	tunnel->subnet_count = 0;
	for (size_t at = TN_RECORD_HEAD; at < length; at += PREFIX_SIZE) {
		uint8_t bits = record[at + 16];
		if (tunnel->subnet_count == TN_SUBNETS || bits > 128) {
			tunnel->counters.capacity++;
			continue;
		}
		memcpy(tunnel->subnets[tunnel->subnet_count].address, record + at, 16);
		tunnel->subnets[tunnel->subnet_count++].bits = bits;
	}
	return true;
}

bool tn_tunnel_is_subnet(const struct tn_tunnel *tunnel, const uint8_t address[16])
{
	for (size_t i = 0; i < tunnel->subnet_count; i++) {
		const uint8_t *prefix = tunnel->subnets[i].address;
		unsigned bits = tunnel->subnets[i].bits;
		/* An IPv4 address is in no IPv6 prefix. */
		if (tn_address_is_ip4(address) && bits < 96)
			continue;
		if (memcmp(prefix, address, bits / 8) == 0 && (bits % 8 == 0 || ((prefix[bits / 8] ^ address[bits / 8]) >> (8 - bits % 8)) == 0))
			return true;
	}
	return false;
}

#else

bool tn_tunnel_subnets(struct tn_tunnel *tunnel, const uint8_t *record, size_t length)
{
	(void)tunnel;
	(void)record;
	(void)length;
	return true;
}

bool tn_tunnel_is_subnet(const struct tn_tunnel *tunnel, const uint8_t address[16])
{
	(void)tunnel;
	(void)address;
	return false;
}

#endif

bool tn_tunnel_path(struct tn_tunnel *tunnel, const uint8_t *record, size_t length)
{
	unsigned slot;
	struct tn_peer *peer = length < PATH_SIZE ? NULL : peer_of(tunnel, tn_load32le(record + 4), &slot);
	if (peer == NULL)
		return false;
	const bool was_direct = tn_tunnel_is_direct(tunnel, peer);
	peer->home_region = tn_load16le(record + 2);
	memcpy(peer->endpoint, record + PATH_ENDPOINT, TN_ENDPOINT);
	peer->has_endpoint = tn_load16be(record + PATH_ENDPOINT + 16) != 0;
	peer->trusted_until = tn_load64le(record + PATH_UNTIL);
	if (!was_direct && tn_tunnel_is_direct(tunnel, peer))
		tunnel->returns++;
	return true;
}

void tn_tunnel_derp_state(struct tn_tunnel *tunnel, uint16_t region, bool is_open)
{
	tn_relay_set_open(&tunnel->relay, region, is_open);
	if (!is_open) {
		tunnel->relay_lost_at = tunnel->now;
		return;
	}
	tunnel->returns++;
	for (unsigned slot = 0; slot < TN_PEERS; slot++)
		if (tunnel->relay_lost_at != 0 && !tn_tunnel_is_direct(tunnel, &tunnel->peers[slot]))
			tn_wg_retry(&tunnel->wg, slot, tunnel->relay_lost_at, tunnel->now);
}

void tn_tunnel_derp_gone(struct tn_tunnel *tunnel, uint16_t region, const uint8_t key[32])
{
	int slot = tn_wg_peer_find(&tunnel->wg, key);
	if (slot >= 0 && tunnel->peers[slot].learned_region == region)
		tunnel->peers[slot].learned_region = 0;
}

void tn_tunnel_settle(struct tn_tunnel *tunnel)
{
	for (size_t i = 0; i < TN_WAITING; i++) {
		struct tn_waiting_message *message = &tunnel->waiting.messages[i];
		if (message->used && tn_wg_peer_find(&tunnel->wg, message->key) >= 0) {
			const struct tn_origin origin = {.source = message->source, .source_length = message->source_length, .region = message->region};
			message->used = false;
			if (message->length > 0 && tunnel->now - message->asked_at < TN_WAITING_KEEP_MS)
				tn_tunnel_receive(tunnel, &origin, message->bytes, message->length);
		}
	}
	struct tn_waiting_packet *packet = NULL;
	while ((packet = tn_waiting_next(&tunnel->waiting, packet)) != NULL) {
		if (tn_routes_destination(&tunnel->routes, packet->version, packet->address) < 0)
			continue;
		packet->used = false;
		if (tunnel->now - packet->added_at >= TN_WAITING_KEEP_MS)
			continue;
		memcpy(tn_tunnel_place(tunnel), packet->bytes, packet->length);
		tn_tunnel_output(tunnel, packet->length);
	}
}

static void tell_activity(struct tn_tunnel *tunnel, unsigned slot)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	uint8_t body[20];
	tn_store32le(body, handle_of(tunnel, slot));
	tn_store64le(body + 4, peer->bytes_sent);
	tn_store64le(body + 12, peer->bytes_received);
	tn_events_put(tunnel->events, TN_EVENT_ACTIVITY, peer->activity, peer->activity_region, body, sizeof body, NULL, 0);
	peer->activity = 0;
	peer->activity_region = 0;
	peer->activity_at = tunnel->now;
}

void tn_tunnel_note(struct tn_tunnel *tunnel, unsigned slot, uint8_t flags, uint16_t region, bool is_untrusted)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	peer->activity |= flags;
	if (region != 0)
		peer->activity_region = region;
	if (is_untrusted && (peer->untrusted_at == 0 || tunnel->now - peer->untrusted_at >= ACTIVITY_MS)) {
		peer->untrusted_at = tunnel->now;
		tell_activity(tunnel, slot);
	} else if (peer->activity_at == 0 || tunnel->now - peer->activity_at >= ACTIVITY_MS) {
		tell_activity(tunnel, slot);
	} else if (!tunnel->activity_pending) {
		tunnel->activity_pending = true;
		tunnel->activity_due = peer->activity_at + ACTIVITY_MS;
	}
}

uint64_t tn_tunnel_tick(struct tn_tunnel *tunnel)
{
	if (tunnel->is_suspended)
		return tn_tunnel_tell_sessions(tunnel);
	if (tunnel->now >= tn_wg_next_deadline(&tunnel->wg))
		tn_wg_tick(&tunnel->wg, tunnel->now);
	if (tunnel->activity_pending && tunnel->now >= tunnel->activity_due) {
		tunnel->activity_pending = false;
		for (unsigned slot = 0; slot < TN_PEERS; slot++) {
			if (tunnel->peers[slot].used && tunnel->peers[slot].activity != 0)
				tell_activity(tunnel, slot);
		}
	}
	uint64_t next = tn_wg_next_deadline(&tunnel->wg);
	return tunnel->activity_pending && tunnel->activity_due < next ? tunnel->activity_due : next;
}
