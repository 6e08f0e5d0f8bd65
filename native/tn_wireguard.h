/*
 * A WireGuard device without I/O: datagrams and time in, datagrams and events out. protocol/tunnel.md §1 to §3.
 *
 *   transport, 32 bytes or more
 *   bytes 0..3      04 00 00 00
 *   bytes 4..7      receiver index, LE32
 *   bytes 8..15     counter, LE64
 *   bytes 16..n-17  inner packet, zero padded to 16, encrypted
 *   bytes n-16..    tag
 *
 * Peers live in slots of an array given by the caller, who decides which peer has which slot. A peer's path, its staged packets and its
 * AllowedIPs (tn_routes.h) are the caller's too. One thread owns a device.
 *
 * A packet's way: tn_wg_seal; when it gives 0, stage the packet and call tn_wg_initiate; later tn_wg_receive says TN_WG_FLUSH and the
 * staged packets are sealed. Timers are deadlines in the peer, looked at by tn_wg_tick when tn_wg_next_deadline has come: a packet only
 * stores numbers. So: receive a batch, seal what flows, then `if (now >= tn_wg_next_deadline(wg)) tn_wg_tick(wg, now)`.
 *
 * Time is milliseconds of a monotonic clock and never goes back. The files: tn_wireguard.c (peers and packets), tn_wireguard_handshake.c
 * (handshake messages, load), tn_wireguard_session.c (keypairs and indices), tn_wireguard_timers.c, tn_wireguard_saved.c (sessions that outlive the device).
 */
#ifndef TN_WIREGUARD_H
#define TN_WIREGUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tn_clock.h"
#include "tn_config.h"
#include "tn_cookie.h"
#include "tn_crypto.h"
#include "tn_handshake.h"
#include "tn_replay.h"
#include "tn_sources.h"

#define TN_WG_MTU 1280
#define TN_WG_HEADER 16               /* head room before an inner packet */
#define TN_WG_TAIL (15 + TN_TAG_SIZE) /* tail room after it: padding and tag */
#define TN_WG_OVERHEAD (TN_WG_HEADER + TN_TAG_SIZE)
#define TN_WG_NO_DEADLINE UINT64_MAX
#define TN_WG_SLOTS_MAX 8192

/* §2.1, milliseconds. */
#define TN_WG_REKEY_AFTER_MESSAGES ((uint64_t)1 << 60)
#define TN_WG_REKEY_AFTER_MS 120000u
#define TN_WG_REJECT_AFTER_MS 180000u
#define TN_WG_REKEY_TIMEOUT_MS 5000u
#define TN_WG_JITTER_MS 333u
#define TN_WG_RETRIES 18
#define TN_WG_KEEPALIVE_MS 10000u
#define TN_WG_NEW_HANDSHAKE_MS 15000u
#define TN_WG_LAST_MINUTE_MS 165000u
#define TN_WG_ZERO_KEYS_MS 540000u
#define TN_WG_INITIATION_GAP_MS 20u

/** One entry of the index table. Indices are drawn at random until their low bits name a free entry: a look-up is one probe. */
struct tn_wg_index {
	uint32_t index;
	uint16_t slot;
	uint8_t kind; /* enum tn_wg_index_kind */
};

/* Entries needed for a number of peers: a power of two, at least twice the four indices (three keypairs, one handshake) of each. */
#define TN_WG_ROUND_1(n) ((n) | (n) >> 1)
#define TN_WG_ROUND_2(n) (TN_WG_ROUND_1(n) | TN_WG_ROUND_1(n) >> 2)
#define TN_WG_ROUND_4(n) (TN_WG_ROUND_2(n) | TN_WG_ROUND_2(n) >> 4)
#define TN_WG_ROUND_8(n) (TN_WG_ROUND_4(n) | TN_WG_ROUND_4(n) >> 8)
#define TN_WG_INDICES(peers) ((size_t)TN_WG_ROUND_8((uint32_t)(peers)*8u - 1u) + 1u)

struct tn_keypair {
	uint8_t send_key[TN_KEY_SIZE], receive_key[TN_KEY_SIZE];
	uint64_t counter; /* next to send */
	uint64_t created_at;
	uint32_t local_index, remote_index;
	bool used;      /* this storage holds a keypair */
	bool initiator; /* we initiated it */
	struct tn_replay replay;
};

#define TN_WG_NO_KEYPAIR 3
#define TN_WG_NO_SLOT 0xffff

struct tn_wg_peer {
	bool used;
	uint16_t next_by_key;            /* in the chain of its public key, or TN_WG_NO_SLOT */
	uint8_t current, next, previous; /* places in keypairs, or TN_WG_NO_KEYPAIR */

	/* Deadlines; 0 is not pending. */
	uint64_t retransmit_at, send_keepalive_at, new_handshake_at, zero_keys_at;
	uint64_t rekey_at; /* initiate as soon as the tick comes: asked for by the packet path */

	uint64_t handshake_allowed_at;  /* 5 s after the last handshake message we sent */
	uint64_t initiation_allowed_at; /* 20 ms after the last initiation we accepted */
	uint8_t attempts;
	bool need_another_keepalive;
	bool sent_last_minute;
	bool has_timestamp;
	uint8_t timestamp[TN_TIMESTAMP_SIZE]; /* greatest accepted */
	uint64_t session_at;                  /* when the last handshake completed; 0 never */

	struct tn_handshake handshake;
	struct tn_cookie_jar cookie;
	struct tn_remote remote;
	struct tn_keypair keypairs[3];
};

/** The caller's side. Functions are called from inside the functions named; they must not call back into the device. */
struct tn_wg_host {
	void *context;
	/** Whether packets for this peer wait for a session. Receive, tick, initiate. */
	bool (*has_staged)(void *context, unsigned slot);
	/** Sends a datagram (initiation, keepalive) by the peer's current path. The bytes are gone after the return. Tick, initiate. */
	void (*send)(void *context, unsigned slot, const uint8_t *datagram, size_t length);
	/** The peer gave no answer (20 initiations) or its keys were erased: drop what is staged for it. Tick. */
	void (*drop_staged)(void *context, unsigned slot);
	/** 540 s without a new session: all secrets of the peer are erased. The slot stays in use until tn_wg_peer_remove. Tick. */
	void (*idle)(void *context, unsigned slot);
};

struct tn_wg_counters {
	uint32_t x25519;    /* Diffie-Hellman computed for messages received */
	uint32_t malformed; /* length, type or reserved bytes */
	uint32_t bad_mac1;
	uint32_t bad_handshake; /* did not open, replayed, too fast, unknown index */
	uint32_t unknown_static;
	uint32_t cookie_demanded;
	uint32_t over_budget;   /* refused by the rate limiter or the budget */
	uint32_t unknown_index; /* transport */
	uint32_t expired;
	uint32_t bad_tag;
	uint32_t replayed;    /* duplicates by UDP and DERP are normal */
	uint32_t bad_inner;   /* inner length fields */
	uint32_t clock_bound; /* initiations not sent because the timestamp would pass the bound */
	uint32_t initiations; /* sent */
	uint32_t adopted;     /* sessions of an earlier run */
};

struct tn_wg_remembered {
	uint8_t key[16]; /* first half of the public key */
	uint8_t timestamp[TN_TIMESTAMP_SIZE];
	uint64_t until;
};

struct tn_wg {
	struct tn_wg_peer *peers;
	unsigned peer_count;
	struct tn_wg_index *indices;
	uint32_t index_mask;
	uint16_t by_key[TN_WG_KEY_CHAINS];
	struct tn_wg_host host;
	bool has_key; /* without one nothing is processed */
	struct tn_identity identity;
	struct tn_clock clock; /* the caller's: tn_clock_init before the first handshake, tn_clock_set later */
	uint64_t deadline;     /* not later than the earliest of all peers */
	uint64_t jitter_state;

	uint64_t under_load_until;
	struct tn_bucket load, initiations, responses;
	struct tn_sources sources;
	struct tn_cookie_maker cookie_maker;

	struct tn_wg_remembered remembered[TN_WG_REMEMBERED];
	unsigned remembered_next;
	struct tn_wg_counters counters;
};

enum tn_wg_kind {
	TN_WG_NOTHING,        /* dropped, or a handshake message that is dealt with */
	TN_WG_DATA,           /* an inner packet: offset and length; its source is not checked yet (tn_routes_is_source) */
	TN_WG_KEEPALIVE,      /* authenticated and empty */
	TN_WG_UNKNOWN_STATIC, /* an initiation from public_key, which no slot has: add the peer and offer the same datagram again, or drop it */
};

/* Events of a datagram, several at once. `slot` tells the peer. */
#define TN_WG_CLAIMED 1       /* an initiation's static field opened: the source claims to be this peer (activity, no proof) */
#define TN_WG_AUTHENTICATED 2 /* a transport packet passed tag and replay: the source speaks for this peer */
#define TN_WG_SESSION 4       /* a session is usable for sending from now on */
#define TN_WG_INITIATOR 8     /* with TN_WG_SESSION: we initiated it */
#define TN_WG_FLUSH 16        /* seal what is staged for the peer now */

enum tn_wg_reply_to {
	TN_WG_REPLY_NONE,
	TN_WG_REPLY_PATH,   /* handshake response, key confirmation, rekey: to the current path of `slot` */
	TN_WG_REPLY_SOURCE, /* cookie reply: to where the datagram came from */
};

/** What tn_wg_receive found. Members are valid as their comments say; the rest is left as it was. */
struct tn_wg_in {
	enum tn_wg_kind kind;
	unsigned events;
	enum tn_wg_reply_to reply_to;
	unsigned slot;         /* with any event, kind data or keepalive, or reply to the path */
	size_t offset, length; /* kind data: the inner packet in the datagram, padding cut off */
	size_t reply_length;   /* unless reply_to is none */
	uint8_t reply[TN_INITIATION_SIZE];
	uint8_t public_key[TN_KEY_SIZE]; /* kind unknown static */
};

/**
 * Starts a device without key and peers.
 * @param peers array of peer_count slots, at most TN_WG_SLOTS_MAX; stays in use, overwritten
 * @param indices array of TN_WG_INDICES(peer_count) entries; stays in use, overwritten
 * @param host copied
 */
void tn_wg_init(struct tn_wg *wg, struct tn_wg_peer *peers, unsigned peer_count, struct tn_wg_index *indices, const struct tn_wg_host *host);

/** Erases every secret of the device and its peers. */
void tn_wg_wipe(struct tn_wg *wg);

/**
 * Sets the node key. All sessions and handshakes end; the peers stay and get new static-static secrets on use. The same key again changes nothing.
 * @param private_key 32 bytes, or NULL: logged out, nothing is processed
 */
void tn_wg_set_key(struct tn_wg *wg, const uint8_t *private_key, uint64_t now);

/**
 * Puts a peer into a free slot. The same key in the same slot changes nothing.
 * @return false if the slot is out of range, holds another peer, or another slot has that key, or it is our own
 */
bool tn_wg_peer_add(struct tn_wg *wg, unsigned slot, const uint8_t public_key[TN_KEY_SIZE], uint64_t now);

/** Erases a peer and frees its slot. Its packets stop at once in both directions. */
void tn_wg_peer_remove(struct tn_wg *wg, unsigned slot);

/** As tn_wg_peer_remove for a peer that only makes room: its greatest timestamp is kept for 540 s, so that no old initiation can be replayed. */
void tn_wg_peer_evict(struct tn_wg *wg, unsigned slot, uint64_t now);

/** The peer restarted: erases sessions, handshake, cookie and greatest timestamp; the next packet starts a handshake. */
void tn_wg_peer_drop_sessions(struct tn_wg *wg, unsigned slot, uint64_t now);

/** The slot of a public key, or -1. Cheap enough for every packet of a DERP connection. */
int tn_wg_peer_find(const struct tn_wg *wg, const uint8_t public_key[TN_KEY_SIZE]);

/** Whether a packet could be sealed now. */
bool tn_wg_has_session(const struct tn_wg *wg, unsigned slot, uint64_t now);

/**
 * Takes a datagram that is none of STUN or DISCO.
 * @param datagram decrypted in place when it is a transport message, else unchanged
 * @param source what a cookie is bound to, 1..32 bytes: address 16 and port 2 for UDP, the node key 32 for DERP
 */
void tn_wg_receive(struct tn_wg *wg, uint8_t *datagram, size_t length, const uint8_t *source, size_t source_length, uint64_t now, struct tn_wg_in *in);

/**
 * Encrypts an inner packet in place for the peer's current session.
 * @param packet with TN_WG_HEADER writable bytes before and TN_WG_TAIL after its length bytes; length 0 makes a keepalive
 * @return length of the datagram, which begins at packet - TN_WG_HEADER; 0 when there is no session: packet untouched,
 *   stage it and call tn_wg_initiate
 */
size_t tn_wg_seal(struct tn_wg *wg, unsigned slot, uint8_t *packet, size_t length, uint64_t now);

/**
 * Starts a handshake because a packet waits, unless a message of ours went out less than 5 s ago; then one follows when that time is over,
 * if packets are still staged (so stage first).
 * @return true if an initiation was sent
 */
bool tn_wg_initiate(struct tn_wg *wg, unsigned slot, uint64_t now);

/**
 * The way to the peer was lost and is back: a handshake in flight whose initiation left before lost_at begins again by the next tick, not by its timer. Nothing
 * happens where there is none.
 */
void tn_wg_retry(struct tn_wg *wg, unsigned slot, uint64_t lost_at, uint64_t now);

/** As tn_wg_initiate, by the next tick, which is due now: for a caller that has little stack or time, such as lwIP's. */
void tn_wg_want_session(struct tn_wg *wg, unsigned slot, uint64_t now);

/** Does what is due. Cheap before tn_wg_next_deadline. */
void tn_wg_tick(struct tn_wg *wg, uint64_t now);

/** When tn_wg_tick wants to be called next; TN_WG_NO_DEADLINE when nothing is pending. May be too early, never too late. */
uint64_t tn_wg_next_deadline(const struct tn_wg *wg);

/* ---- Sessions that outlive the device (tn_wireguard_saved.c) ---- */

/**
 * One session, given away by one device and adopted by another:
 *
 *   bytes 0..31   send key
 *   bytes 32..63  receive key
 *   bytes 64..67  local index, LE32
 *   bytes 68..71  remote index, LE32
 *   bytes 72..79  next counter to send, LE64: TN_WG_SAVED_MARGIN ahead of the one that was next
 *   bytes 80..87  next counter to receive, LE64: below it nothing is accepted any more
 *   bytes 88..91  age in milliseconds, LE32
 *   byte  92      bit 0: we initiated it
 *   bytes 93..95  0
 */
#define TN_WG_SAVED_SIZE 96
#define TN_WG_SAVED_AGE 88

/** Counters that are given up between two devices: more than a device could send if it went on for a while after it gave its sessions away. */
#define TN_WG_SAVED_MARGIN 65536u

/** Ends the device, but for its current sessions, which wait for tn_wg_save: nothing is received or sealed any more, and no timer runs. */
void tn_wg_suspend(struct tn_wg *wg);

/**
 * Gives away the session of a peer of a suspended device. The device's own copy stays until tn_wg_wipe, of no use.
 * @param saved out: holds secrets, wipe it
 * @return false when there is none that may be used: it is too old, or a handshake of the peer's was about to replace it
 */
bool tn_wg_save(const struct tn_wg *wg, unsigned slot, uint64_t now, uint8_t saved[TN_WG_SAVED_SIZE]);

/**
 * Makes a saved session the current one of a peer, with its age (bytes 88..91) brought up to date by the caller, who sees to it that it is adopted once.
 * @return false when the peer has a session by now, when that one is too old, or when its index is in use
 */
bool tn_wg_adopt(struct tn_wg *wg, unsigned slot, const uint8_t saved[TN_WG_SAVED_SIZE], uint64_t now);

/** Bytes of zero padding after an inner packet; mtu 0: no cap. §1.8 */
size_t tn_wg_padding(size_t length, size_t mtu);

#endif
