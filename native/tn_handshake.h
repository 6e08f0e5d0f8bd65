/*
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, both roles, without state of a device: no index table, no timers, no macs.
 * protocol/tunnel.md §1.6; C, H and K are named as there.
 *
 *   initiation, 148 bytes                        response, 92 bytes
 *   0..3     01 00 00 00                         0..3     02 00 00 00
 *   4..7     sender index, LE32                  4..7     sender index, LE32
 *   8..39    ephemeral E_i                       8..11    receiver index, LE32
 *   40..87   AEAD(static S_i)                    12..43   ephemeral E_r
 *   88..115  AEAD(timestamp, TAI64N)             44..59   AEAD("")
 *   116..131 mac1, 132..147 mac2                 60..75   mac1, 76..91 mac2
 *
 * Functions that read a message work on copies and change the handshake only when the message was authentic, so that a forged one
 * cannot destroy a handshake in flight.
 */
#ifndef TN_HANDSHAKE_H
#define TN_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "tn_blake2s.h"
#include "tn_clock.h"
#include "tn_cookie.h"
#include "tn_crypto.h"

#define TN_INITIATION_SIZE 148
#define TN_RESPONSE_SIZE 92

/** Ourselves: what can be computed once for a node key. */
struct tn_identity {
	uint8_t private_key[TN_KEY_SIZE];
	uint8_t public_key[TN_KEY_SIZE];
	uint8_t hash[TN_HASH_SIZE]; /* HASH(H0 || public key), start of every received initiation */
	struct tn_cookie_keys cookie;
};

/** A peer: what can be computed once for its key. */
struct tn_remote {
	uint8_t public_key[TN_KEY_SIZE];
	uint8_t static_static[TN_KEY_SIZE]; /* made on first use, a DH costs milliseconds on a device */
	uint8_t hash[TN_HASH_SIZE];         /* HASH(H0 || public key) */
	struct tn_cookie_keys cookie;
	enum { TN_REMOTE_FRESH, TN_REMOTE_READY, TN_REMOTE_BAD } state; /* bad: static-static is zero, it can never handshake */
};

enum tn_handshake_state { TN_HANDSHAKE_ZEROED, TN_HANDSHAKE_INITIATION_CREATED, TN_HANDSHAKE_INITIATION_CONSUMED };

struct tn_handshake {
	enum tn_handshake_state state;
	uint32_t local_index, remote_index;
	uint8_t C[TN_HASH_SIZE], H[TN_HASH_SIZE];
	uint8_t ephemeral_private[TN_KEY_SIZE]; /* ours, as initiator */
	uint8_t remote_ephemeral[TN_KEY_SIZE];  /* theirs, as responder */
};

/** What an initiation says, before the checks of §1.10 decide whether it becomes the peer's handshake. Holds secrets: wipe it. */
struct tn_initiation {
	uint32_t sender_index;
	uint8_t C[TN_HASH_SIZE], H[TN_HASH_SIZE];
	uint8_t ephemeral[TN_KEY_SIZE];
	uint8_t static_key[TN_KEY_SIZE]; /* who it claims to be from, authenticated */
	uint8_t timestamp[TN_TIMESTAMP_SIZE];
};

/** Keys of a session, by our own view. */
struct tn_session_keys {
	uint8_t send[TN_KEY_SIZE], receive[TN_KEY_SIZE];
};

/** All-zero pre-shared key: Tailscale sets none, but the step is made. */
extern const uint8_t tn_no_psk[TN_KEY_SIZE];

void tn_identity_init(struct tn_identity *identity, const uint8_t private_key[TN_KEY_SIZE]);
void tn_remote_init(struct tn_remote *remote, const uint8_t public_key[TN_KEY_SIZE]);

/** Makes sure that static-static is there. @return false for a peer that can never handshake */
bool tn_remote_prepare(struct tn_remote *remote, const struct tn_identity *identity);

/**
 * Steps 1 to 6: writes bytes 0..115 of an initiation with a fresh ephemeral. Macs are the caller's.
 * @return false when the peer can never handshake
 */
bool tn_handshake_create_initiation(struct tn_handshake *handshake, const struct tn_identity *identity, struct tn_remote *remote, uint32_t local_index,
                                    const uint8_t timestamp[TN_TIMESTAMP_SIZE], uint8_t message[TN_INITIATION_SIZE]);

/**
 * Steps 1 to 4 as responder: opens the static field (one DH). The message is not changed.
 * @return false when it is not for us
 */
bool tn_handshake_read_static(struct tn_initiation *initiation, const struct tn_identity *identity, const uint8_t message[TN_INITIATION_SIZE]);

/** Steps 5 and 6: opens the timestamp of a peer. @return false when it does not open */
bool tn_handshake_read_timestamp(struct tn_initiation *initiation, const struct tn_identity *identity, struct tn_remote *remote,
                                 const uint8_t message[TN_INITIATION_SIZE]);

/** The checks of §1.10 passed: the initiation becomes the peer's handshake. */
void tn_handshake_accept(struct tn_handshake *handshake, const struct tn_initiation *initiation);

/**
 * Steps 8 to 12: writes bytes 0..59 of the response to the accepted initiation, gives the session keys and zeroes the handshake.
 * @return false when the initiator's ephemeral or static gives a zero secret
 */
bool tn_handshake_create_response(struct tn_handshake *handshake, const struct tn_remote *remote, const uint8_t psk[TN_KEY_SIZE], uint32_t local_index,
                                  uint8_t message[TN_RESPONSE_SIZE], struct tn_session_keys *keys);

/**
 * Steps 8 to 12 as initiator: on success gives the session keys and zeroes the handshake, else changes nothing.
 * @return false when there is no initiation of ours in flight or the message is not its authentic response
 */
bool tn_handshake_consume_response(struct tn_handshake *handshake, const struct tn_identity *identity, const uint8_t psk[TN_KEY_SIZE],
                                   const uint8_t message[TN_RESPONSE_SIZE], uint32_t *remote_index, struct tn_session_keys *keys);

/** Erases a handshake. */
void tn_handshake_zero(struct tn_handshake *handshake);

#endif
