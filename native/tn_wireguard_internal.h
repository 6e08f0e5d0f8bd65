/*
 * What the files of the WireGuard device share. Nobody else includes it.
 */
#ifndef TN_WIREGUARD_INTERNAL_H
#define TN_WIREGUARD_INTERNAL_H

#include "tn_wireguard.h"

/* What an index names. A keypair's kind is TN_WG_INDEX_KEYPAIR plus its place in the peer. */
enum tn_wg_index_kind { TN_WG_INDEX_FREE, TN_WG_INDEX_HANDSHAKE, TN_WG_INDEX_KEYPAIR };

/* tn_wireguard_session.c */

/** Draws a fresh random index for a slot. */
uint32_t tn_wg_index_new(struct tn_wg *wg, unsigned slot, unsigned kind);
void tn_wg_index_free(struct tn_wg *wg, uint32_t index);

/** The entry of an index, or NULL: one probe. */
static inline struct tn_wg_index *tn_wg_index_find(const struct tn_wg *wg, uint32_t index)
{
	struct tn_wg_index *entry = &wg->indices[index & wg->index_mask];
	return entry->index == index && entry->kind != TN_WG_INDEX_FREE ? entry : NULL;
}

/** Makes a keypair and rotates it in (§2.4). The index is taken over. */
void tn_wg_session_begin(struct tn_wg *wg, unsigned slot, const struct tn_session_keys *keys, bool initiator, uint32_t local_index, uint32_t remote_index,
                         uint64_t now);

/** The next keypair was used by the initiator: it becomes the current one. */
void tn_wg_session_promote(struct tn_wg *wg, struct tn_wg_peer *peer);

/** Takes the current keypair out of use, for tn_wg_save: it is the previous one then, and the only one. None is left when the next one was not confirmed yet. */
void tn_wg_session_suspend(struct tn_wg *wg, struct tn_wg_peer *peer);

/** Erases the handshake in flight and frees its index. */
void tn_wg_handshake_drop(struct tn_wg *wg, struct tn_wg_peer *peer);

/** Erases all keypairs, the handshake and the cookie. */
void tn_wg_sessions_drop(struct tn_wg *wg, struct tn_wg_peer *peer);

/* tn_wireguard_timers.c */

/** Uniform 0..333 ms. */
uint64_t tn_wg_jitter(struct tn_wg *wg);

/** Sets one of the peer's deadlines. */
static inline void tn_wg_arm(struct tn_wg *wg, uint64_t *deadline, uint64_t at)
{
	*deadline = at;
	if (at < wg->deadline)
		wg->deadline = at;
}

/** The handshake is complete: retries end. */
void tn_wg_handshake_complete(struct tn_wg_peer *peer, uint64_t now);

/**
 * initiate(fresh or retry) of §2.3.
 * @param message out: the initiation
 * @return false when none is to be sent now
 */
bool tn_wg_start_handshake(struct tn_wg *wg, unsigned slot, bool retry, uint64_t now, uint8_t message[TN_INITIATION_SIZE]);

/* tn_wireguard_load.c */

enum tn_wg_gate { TN_WG_GATE_OPEN, TN_WG_GATE_COOKIE, TN_WG_GATE_SHUT };

void tn_wg_load_init(struct tn_wg *wg);

/** May this initiation, whose mac1 is right, go on to X25519? §2.5 */
enum tn_wg_gate tn_wg_gate_initiation(struct tn_wg *wg, const uint8_t *source, size_t source_length, const uint8_t *message, uint64_t now);

/** May this response, whose index names an initiation of ours, go on to X25519? */
bool tn_wg_gate_response(struct tn_wg *wg, uint64_t now);

/* tn_wireguard_handshake.c */

void tn_wg_receive_initiation(struct tn_wg *wg, const uint8_t *message, const uint8_t *source, size_t source_length, uint64_t now, struct tn_wg_in *in);
void tn_wg_receive_response(struct tn_wg *wg, const uint8_t *message, uint64_t now, struct tn_wg_in *in);
void tn_wg_receive_cookie_reply(struct tn_wg *wg, const uint8_t *message, uint64_t now);

#endif
