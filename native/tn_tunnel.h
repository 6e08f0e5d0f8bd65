/*
 * The packet loop of one node, between UDP and DERP on one side and the IP stack on the other. protocol/tunnel.md §4, relay.md §1 and §3.8, paths.md §5.2
 *
 *   in     datagram -> STUN, DISCO, port mapping: event | WireGuard: decrypt in place -> inner source -> masquerade -> TSMP, echo -> filter -> deliver
 *   out    packet -> own address, multicast: dropped -> peer of the destination -> filter, masquerade -> seal in place -> path
 *   path   UDP while the endpoint is trusted; UDP and DERP when it is not any more; DERP without one
 *
 * Everything here runs on the tunnel thread. What the VM must know goes into events. The files: tn_tunnel.c (identity, peers, time),
 * tn_tunnel_in.c, tn_tunnel_answer.c (TSMP and echo), tn_tunnel_out.c, tn_tunnel_suspend.c.
 */
#ifndef TN_TUNNEL_H
#define TN_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_config.h"
#include "tn_events.h"
#include "tn_filter.h"
#include "tn_out.h"
#include "tn_relay.h"
#include "tn_routes.h"
#include "tn_sources.h"
#include "tn_staged.h"
#include "tn_tsmp.h"
#include "tn_waiting.h"
#include "tn_wireguard.h"

/** Single addresses kept for each peer: those it has as a node. */
#define TN_PEER_ADDRESSES 4
/** Diagnostic echo requests that may wait for their replies at once. */
#define TN_ECHOES 8

/** One configured peer; its slot is that of the WireGuard peer. */
struct tn_peer {
	bool used;
	bool jailed;
	bool has_masquerade4, has_masquerade6;
	bool has_endpoint;
	bool advertised; /* it got our disco key since it was configured */
	uint8_t address_count;
	uint16_t generation;
	uint16_t home_region;    /* 0 none */
	uint16_t learned_region; /* where a DERP packet of it came from last; 0 none */
	uint32_t learned_connection;
	uint64_t trusted_until;
	uint8_t endpoint[TN_ENDPOINT];
	uint8_t public_key[32];
	uint8_t masquerade4[16], masquerade6[16];
	uint8_t addresses[TN_PEER_ADDRESSES][16];
	uint16_t capability_count;
	uint16_t capabilities[TN_PEER_CAPABILITIES];
	struct tn_staged_list staged;
	/* Activity not told yet, and when it was told last. */
	uint8_t activity;
	uint16_t activity_region;
	uint64_t activity_at, untrusted_at;
	uint64_t bytes_sent, bytes_received;
	uint64_t pong_second;
	uint32_t pongs;
};

/** What the IP stack does for the tunnel. */
struct tn_tunnel_upper {
	void *context;
	/** A packet to one of our addresses. The bytes stay in place and unchanged until the end of the turn, then they are gone. */
	void (*deliver)(void *context, uint8_t *bytes, const struct tn_packet *packet);
	/** A peer's rules refuse a connection of ours, if there is such a pending one. */
	void (*refused)(void *context, const struct tn_tsmp *reject, const struct tn_packet *packet);
};

/** Where a datagram came from. */
struct tn_origin {
	const uint8_t *source; /* endpoint 18, or node key 32 */
	uint8_t source_length;
	uint16_t region; /* 0: UDP */
};

struct tn_tunnel_counters {
	uint64_t datagrams_in, datagrams_out, derp_in, derp_out;
	uint64_t packets_in, packets_out;
	uint32_t geneve, without_key, oversized;
	uint32_t bad_source, not_own, derp_mismatch, loops, filtered_in, filtered_out, no_route, no_path, own_destination, capacity, no_memory;
	uint32_t pongs, rejects, rate_limited, disco_limited;
};

struct tn_tunnel {
	void *host;
	struct tn_events *events;
	struct tn_tunnel_upper upper;
	uint64_t now; /* milliseconds; set by the owner before each turn */

	bool has_key, has_address4, has_address6, shields_up;
	bool is_suspended;
	uint8_t returns;         /* counts ways to peers that came back: relays that opened, endpoints that are trusted again */
	uint64_t relay_lost_at;  /* when a relay's connection went last, 0 never; what is sent after that waits for the next one */
	uint16_t suspended_next; /* slot whose session is told next; beyond the last: that there are no more */
	uint8_t disco_key[32];
	uint8_t address4[16], address6[16];
	uint16_t peerapi4, peerapi6;
#if TN_SUBNET
	struct {
		uint8_t address[16], bits;
	} subnets[TN_SUBNETS];
	size_t subnet_count;
#endif

	struct tn_sources disco_sources;
	struct tn_out out;
	struct tn_relay relay;
	struct tn_staged staged;
	struct tn_waiting waiting;
	struct tn_peer peers[TN_PEERS];
	bool activity_pending; /* some peer has activity that was not told */
	uint64_t activity_due;

	struct tn_filter filter, jailed_filter;
	struct tn_flows flows, jailed_flows;
	uint8_t *filter_block;

	struct tn_routes routes;
	struct tn_route route_table[TN_ROUTES];
	uint16_t route_heads[TN_ROUTE_HEADS];
	struct tn_wg wg;
	struct tn_wg_peer wg_peers[TN_PEERS];
	struct tn_wg_index wg_indices[TN_WG_INDICES(TN_PEERS)];

	struct {
		bool used;
		uint8_t id_sequence[4];
	} echoes[TN_ECHOES];
	unsigned echo_next;
	uint64_t reject_second;
	uint32_t rejects;
	struct tn_tunnel_counters counters;
	uint8_t out_bytes[TN_OUT_BYTES];
};

/** Starts a tunnel without key, address or peer. @param host for tn_port.h */
void tn_tunnel_init(struct tn_tunnel *tunnel, void *host, struct tn_events *events, const struct tn_tunnel_upper *upper);

/** Wipes all keys and gives memory back. */
void tn_tunnel_free(struct tn_tunnel *tunnel);

/* ---- Configuration (tn_tunnel.c). Records are the whole command records of tn_records.h; a malformed one is ignored and false returned. ---- */

bool tn_tunnel_identity(struct tn_tunnel *tunnel, const uint8_t *record, size_t length);
bool tn_tunnel_peer(struct tn_tunnel *tunnel, const uint8_t *record, size_t length);
bool tn_tunnel_path(struct tn_tunnel *tunnel, const uint8_t *record, size_t length);
/** Prefixes beyond the pool are left out and counted. */
bool tn_tunnel_subnets(struct tn_tunnel *tunnel, const uint8_t *record, size_t length);
void tn_tunnel_peer_remove(struct tn_tunnel *tunnel, uint32_t handle);
void tn_tunnel_session_drop(struct tn_tunnel *tunnel, uint32_t handle);
/** A relay's connection opens or is gone. When it opens, what was lost with the one before goes again: handshakes now, connections by their next step (`returns`). */
void tn_tunnel_derp_state(struct tn_tunnel *tunnel, uint16_t region, bool is_open);
void tn_tunnel_derp_gone(struct tn_tunnel *tunnel, uint16_t region, const uint8_t key[32]);

/** @param block from tn_port_allocate, owned by the tunnel from now on; NULL: block everything */
void tn_tunnel_filter(struct tn_tunnel *tunnel, uint8_t *block, size_t length, bool shields_up);

/** After commands: offers what waited for peers that are configured now. */
void tn_tunnel_settle(struct tn_tunnel *tunnel);

/** Does what is due. @return when it wants to be called next, UINT64_MAX: not before something happens */
uint64_t tn_tunnel_tick(struct tn_tunnel *tunnel);

/** Hands the datagrams collected to the host. */
void tn_tunnel_flush(struct tn_tunnel *tunnel);

/** Whether 16 bytes are one of our own addresses. */
bool tn_tunnel_is_own(const struct tn_tunnel *tunnel, const uint8_t address[16]);

/** Whether 16 bytes are an address in one of the subnets that we forward to; never where the core was built without. */
bool tn_tunnel_is_subnet(const struct tn_tunnel *tunnel, const uint8_t address[16]);

/* ---- Sleep (tn_tunnel_suspend.c) ---- */

/** Sends what is sealed already, and ends the tunnel: nothing leaves or is taken in any more, whatever it is given. */
void tn_tunnel_suspend(struct tn_tunnel *tunnel);

/** Tells the sessions of a suspended tunnel, as far as the ring of events has room. @return when it wants to be called next */
uint64_t tn_tunnel_tell_sessions(struct tn_tunnel *tunnel);

/** @param saved endpoint 18, session 96, as in TN_COMMAND_PEER */
void tn_tunnel_adopt(struct tn_tunnel *tunnel, unsigned slot, const uint8_t *saved);

/* ---- In (tn_tunnel_in.c) ---- */

/** Takes a datagram; it is decrypted in place and must stay where it is until the end of the turn. */
void tn_tunnel_receive(struct tn_tunnel *tunnel, const struct tn_origin *origin, uint8_t *datagram, size_t length);

/* ---- Out (tn_tunnel_out.c) ---- */

/** Where a packet of ours is to be written: TN_MTU bytes. Valid until the next call. */
uint8_t *tn_tunnel_place(struct tn_tunnel *tunnel);

/** Routes and sends the packet of length bytes at tn_tunnel_place. */
void tn_tunnel_output(struct tn_tunnel *tunnel, size_t length);

/** Routes and sends a packet that this node makes itself (TSMP, diagnostic echo): no filter. An echo request is remembered for its reply. */
void tn_tunnel_inject(struct tn_tunnel *tunnel, const uint8_t *packet, size_t length);

/** Sends STUN, DISCO or a question about port mappings from the node's UDP port. */
void tn_tunnel_send_raw(struct tn_tunnel *tunnel, const uint8_t endpoint[TN_ENDPOINT], const uint8_t *datagram, size_t length);

/** Whether the peer's endpoint is one that answered lately. */
bool tn_tunnel_is_direct(const struct tn_tunnel *tunnel, const struct tn_peer *peer);

/** Whether packets to an address (16 bytes) go by DERP now; false when it is nobody's. */
bool tn_tunnel_is_relayed(const struct tn_tunnel *tunnel, const uint8_t address[16]);

/** Queues a packet for a DERP region and tells the VM when it must know. */
void tn_tunnel_send_derp(struct tn_tunnel *tunnel, uint16_t region, const uint8_t key[32], const uint8_t *packet, size_t length, bool is_disco);

/** Sends a WireGuard message to a peer by its current path. */
void tn_tunnel_send_to_peer(struct tn_tunnel *tunnel, unsigned slot, const uint8_t *datagram, size_t length);

/** Seals and sends what is staged for a peer; on the first session of ours, our disco key goes first. */
void tn_tunnel_send_staged(struct tn_tunnel *tunnel, unsigned slot);

/** Our disco key goes to the peer in the tunnel, once since it was configured. @return false when there is no session */
bool tn_tunnel_advertise(struct tn_tunnel *tunnel, unsigned slot);

/** Notes traffic with a peer for TN_EVENT_ACTIVITY. */
void tn_tunnel_note(struct tn_tunnel *tunnel, unsigned slot, uint8_t flags, uint16_t region, bool is_untrusted);

/* ---- Answers (tn_tunnel_answer.c) ---- */

/** Deals with TSMP from a peer. */
void tn_tunnel_tsmp(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *packet);

/** Whether a packet is the reply to a diagnostic echo request of ours; if so it was reported. */
bool tn_tunnel_echo_reply(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *packet);

/** Notes an echo request that leaves. */
void tn_tunnel_echo_request(struct tn_tunnel *tunnel, const struct tn_packet *packet);

/** Tells the sender of a dropped SYN that our rules refuse it, or our shields, which are always up for a jailed peer. */
void tn_tunnel_reject(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *refused);

#endif
