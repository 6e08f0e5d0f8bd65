/*
 * See tn_handshake.h. Each step is a line named as in protocol/tunnel.md §1.6; its number stands beside it.
 */
#include "tn_handshake.h"

#include <string.h>

#include "tn_bytes.h"

/* Tests define it to see what each step gives. K and T are NULL where a step makes none. */
#ifndef TN_HANDSHAKE_TRACE
#define TN_HANDSHAKE_TRACE(C, H, K, T) ((void)0)
#endif

#define INITIATION_EPHEMERAL 8
#define INITIATION_STATIC 40
#define INITIATION_TIMESTAMP 88
#define RESPONSE_RECEIVER 8
#define RESPONSE_EPHEMERAL 12
#define RESPONSE_EMPTY 44

const uint8_t tn_no_psk[TN_KEY_SIZE] = {0};

/* C0 = HASH(CONSTRUCTION), H0 = HASH(C0 || IDENTIFIER). */
static const uint8_t C0[TN_HASH_SIZE] = {0x60, 0xe2, 0x6d, 0xae, 0xf3, 0x27, 0xef, 0xc0, 0x2e, 0xc3, 0x35, 0xe2, 0xa0, 0x25, 0xd2, 0xd0,
                                         0x16, 0xeb, 0x42, 0x06, 0xf8, 0x72, 0x77, 0xf5, 0x2d, 0x38, 0xd1, 0x98, 0x8b, 0x78, 0xcd, 0x36};
static const uint8_t H0[TN_HASH_SIZE] = {0x22, 0x11, 0xb3, 0x61, 0x08, 0x1a, 0xc5, 0x66, 0x69, 0x12, 0x43, 0xdb, 0x45, 0x8a, 0xd5, 0x32,
                                         0x2d, 0x9c, 0x6c, 0x66, 0x22, 0x93, 0xe8, 0xb7, 0x0e, 0xe1, 0x9c, 0x65, 0xba, 0x07, 0x9e, 0xf3};

/* The symmetric state while a message is written or read; wiped by whoever made it. */
struct noise {
	uint8_t C[TN_HASH_SIZE], H[TN_HASH_SIZE], K[TN_KEY_SIZE];
};

static void mix_hash(struct noise *n, const void *bytes, size_t length)
{
	tn_hash(n->H, n->H, sizeof n->H, bytes, length);
	TN_HANDSHAKE_TRACE(n->C, n->H, NULL, NULL);
}

/* C = KDF1(C, input) */
static void mix_chain(struct noise *n, const void *bytes, size_t length)
{
	tn_kdf1(n->C, n->C, bytes, length);
	TN_HANDSHAKE_TRACE(n->C, n->H, NULL, NULL);
}

/* (C, K) = KDF2(C, input) */
static void mix_key(struct noise *n, const uint8_t input[TN_KEY_SIZE])
{
	tn_kdf2(n->C, n->K, n->C, input, TN_KEY_SIZE);
	TN_HANDSHAKE_TRACE(n->C, n->H, n->K, NULL);
}

/* (C, K) = KDF2(C, DH) or, without a key wanted, C = KDF1(C, DH) */
static bool mix_dh(struct noise *n, const uint8_t private_key[TN_KEY_SIZE], const uint8_t public_key[TN_KEY_SIZE], bool key)
{
	uint8_t shared[TN_KEY_SIZE];
	const bool ok = tn_x25519(shared, private_key, public_key);
	if (ok && key)
		mix_key(n, shared);
	else if (ok)
		mix_chain(n, shared, sizeof shared);
	tn_wipe(shared, sizeof shared);
	return ok;
}

/* (C, T, K) = KDF3(C, psk); H = HASH(H || T) */
static void mix_psk(struct noise *n, const uint8_t psk[TN_KEY_SIZE])
{
	uint8_t T[TN_HASH_SIZE];
	tn_kdf3(n->C, T, n->K, n->C, psk, TN_KEY_SIZE);
	TN_HANDSHAKE_TRACE(n->C, n->H, n->K, T);
	mix_hash(n, T, sizeof T);
	tn_wipe(T, sizeof T);
}

/* field = AEAD(K, 0, plaintext, H); H = HASH(H || field) */
static void seal_field(struct noise *n, uint8_t *field, const uint8_t *plaintext, size_t length)
{
	tn_aead_seal(field, n->K, 0, plaintext, length, n->H, sizeof n->H);
	mix_hash(n, field, length + TN_TAG_SIZE);
}

static bool open_field(struct noise *n, uint8_t *plaintext, const uint8_t *field, size_t length)
{
	if (!tn_aead_open(plaintext, n->K, 0, field, length, n->H, sizeof n->H))
		return false;
	mix_hash(n, field, length);
	return true;
}

/* Steps 1 and 2, the same on both sides: start is HASH(H0 || responder's static). */
static void begin(struct noise *n, const uint8_t start[TN_HASH_SIZE], const uint8_t ephemeral[TN_KEY_SIZE])
{
	memcpy(n->C, C0, sizeof n->C);
	memcpy(n->H, start, sizeof n->H);
	TN_HANDSHAKE_TRACE(n->C, n->H, NULL, NULL);
	mix_chain(n, ephemeral, TN_KEY_SIZE); /* 2 */
	mix_hash(n, ephemeral, TN_KEY_SIZE);  /* 2 */
}

void tn_identity_init(struct tn_identity *identity, const uint8_t private_key[TN_KEY_SIZE])
{
	memcpy(identity->private_key, private_key, TN_KEY_SIZE);
	tn_x25519_public(identity->public_key, private_key);
	tn_hash(identity->hash, H0, sizeof H0, identity->public_key, TN_KEY_SIZE);
	tn_cookie_keys_init(&identity->cookie, identity->public_key);
}

void tn_remote_init(struct tn_remote *remote, const uint8_t public_key[TN_KEY_SIZE])
{
	memcpy(remote->public_key, public_key, TN_KEY_SIZE);
	memset(remote->static_static, 0, sizeof remote->static_static);
	tn_hash(remote->hash, H0, sizeof H0, public_key, TN_KEY_SIZE);
	tn_cookie_keys_init(&remote->cookie, public_key);
	remote->state = TN_REMOTE_FRESH;
}

bool tn_remote_prepare(struct tn_remote *remote, const struct tn_identity *identity)
{
	if (remote->state == TN_REMOTE_FRESH)
		remote->state = tn_x25519(remote->static_static, identity->private_key, remote->public_key) ? TN_REMOTE_READY : TN_REMOTE_BAD;
	return remote->state == TN_REMOTE_READY;
}

bool tn_handshake_create_initiation(struct tn_handshake *handshake, const struct tn_identity *identity, struct tn_remote *remote, uint32_t local_index,
                                    const uint8_t timestamp[TN_TIMESTAMP_SIZE], uint8_t message[TN_INITIATION_SIZE])
{
	struct noise n;
	if (!tn_remote_prepare(remote, identity))
		return false;
	tn_handshake_zero(handshake);
	uint8_t *ephemeral = message + INITIATION_EPHEMERAL;
	tn_x25519_generate(handshake->ephemeral_private, ephemeral);
	begin(&n, remote->hash, ephemeral);                                                 /* 1, 2 */
	const bool ok = mix_dh(&n, handshake->ephemeral_private, remote->public_key, true); /* 3 */
	if (ok) {
		memcpy(message, (const uint8_t[]){1, 0, 0, 0}, 4);
		tn_store32le(message + 4, local_index);
		seal_field(&n, message + INITIATION_STATIC, identity->public_key, TN_KEY_SIZE); /* 4 */
		mix_key(&n, remote->static_static);                                             /* 5 */
		seal_field(&n, message + INITIATION_TIMESTAMP, timestamp, TN_TIMESTAMP_SIZE);   /* 6 */
		memcpy(handshake->C, n.C, sizeof n.C);
		memcpy(handshake->H, n.H, sizeof n.H);
		handshake->local_index = local_index;
		handshake->state = TN_HANDSHAKE_INITIATION_CREATED;
	} else {
		tn_handshake_zero(handshake);
	}
	tn_wipe(&n, sizeof n);
	return ok;
}

bool tn_handshake_read_static(struct tn_initiation *initiation, const struct tn_identity *identity, const uint8_t message[TN_INITIATION_SIZE])
{
	struct noise n;
	const uint8_t *ephemeral = message + INITIATION_EPHEMERAL;
	begin(&n, identity->hash, ephemeral);                                                                              /* 1, 2 */
	const bool ok = mix_dh(&n, identity->private_key, ephemeral, true)                                                 /* 3 */
	                && open_field(&n, initiation->static_key, message + INITIATION_STATIC, TN_KEY_SIZE + TN_TAG_SIZE); /* 4 */
	if (ok) {
		initiation->sender_index = tn_load32le(message + 4);
		memcpy(initiation->ephemeral, ephemeral, TN_KEY_SIZE);
		memcpy(initiation->C, n.C, sizeof n.C);
		memcpy(initiation->H, n.H, sizeof n.H);
	}
	tn_wipe(&n, sizeof n);
	return ok;
}

bool tn_handshake_read_timestamp(struct tn_initiation *initiation, const struct tn_identity *identity, struct tn_remote *remote,
                                 const uint8_t message[TN_INITIATION_SIZE])
{
	struct noise n;
	if (!tn_remote_prepare(remote, identity))
		return false;
	memcpy(n.C, initiation->C, sizeof n.C);
	memcpy(n.H, initiation->H, sizeof n.H);
	mix_key(&n, remote->static_static);                                                                                     /* 5 */
	const bool ok = open_field(&n, initiation->timestamp, message + INITIATION_TIMESTAMP, TN_TIMESTAMP_SIZE + TN_TAG_SIZE); /* 6 */
	if (ok) {
		memcpy(initiation->C, n.C, sizeof n.C);
		memcpy(initiation->H, n.H, sizeof n.H);
	}
	tn_wipe(&n, sizeof n);
	return ok;
}

void tn_handshake_accept(struct tn_handshake *handshake, const struct tn_initiation *initiation)
{
	tn_handshake_zero(handshake);
	memcpy(handshake->C, initiation->C, sizeof handshake->C);
	memcpy(handshake->H, initiation->H, sizeof handshake->H);
	memcpy(handshake->remote_ephemeral, initiation->ephemeral, TN_KEY_SIZE);
	handshake->remote_index = initiation->sender_index;
	handshake->state = TN_HANDSHAKE_INITIATION_CONSUMED;
}

bool tn_handshake_create_response(struct tn_handshake *handshake, const struct tn_remote *remote, const uint8_t psk[TN_KEY_SIZE], uint32_t local_index,
                                  uint8_t message[TN_RESPONSE_SIZE], struct tn_session_keys *keys)
{
	struct noise n;
	uint8_t ephemeral_private[TN_KEY_SIZE];
	if (handshake->state != TN_HANDSHAKE_INITIATION_CONSUMED)
		return false;
	memcpy(n.C, handshake->C, sizeof n.C);
	memcpy(n.H, handshake->H, sizeof n.H);
	uint8_t *ephemeral = message + RESPONSE_EPHEMERAL;
	tn_x25519_generate(ephemeral_private, ephemeral);
	mix_hash(&n, ephemeral, TN_KEY_SIZE);                                             /* 8 */
	mix_chain(&n, ephemeral, TN_KEY_SIZE);                                            /* 8 */
	const bool ok = mix_dh(&n, ephemeral_private, handshake->remote_ephemeral, false) /* 9 */
	                && mix_dh(&n, ephemeral_private, remote->public_key, false);      /* 10 */
	if (ok) {
		memcpy(message, (const uint8_t[]){2, 0, 0, 0}, 4);
		tn_store32le(message + 4, local_index);
		tn_store32le(message + RESPONSE_RECEIVER, handshake->remote_index);
		mix_psk(&n, psk);                                  /* 11 */
		seal_field(&n, message + RESPONSE_EMPTY, NULL, 0); /* 12 */
		tn_kdf2(keys->receive, keys->send, n.C, NULL, 0);
	}
	tn_wipe(ephemeral_private, sizeof ephemeral_private);
	tn_wipe(&n, sizeof n);
	tn_handshake_zero(handshake);
	return ok;
}

bool tn_handshake_consume_response(struct tn_handshake *handshake, const struct tn_identity *identity, const uint8_t psk[TN_KEY_SIZE],
                                   const uint8_t message[TN_RESPONSE_SIZE], uint32_t *remote_index, struct tn_session_keys *keys)
{
	struct noise n;
	uint8_t nothing;
	if (handshake->state != TN_HANDSHAKE_INITIATION_CREATED || tn_load32le(message + RESPONSE_RECEIVER) != handshake->local_index)
		return false;
	memcpy(n.C, handshake->C, sizeof n.C);
	memcpy(n.H, handshake->H, sizeof n.H);
	const uint8_t *ephemeral = message + RESPONSE_EPHEMERAL;
	mix_hash(&n, ephemeral, TN_KEY_SIZE);                                /* 8 */
	mix_chain(&n, ephemeral, TN_KEY_SIZE);                               /* 8 */
	bool ok = mix_dh(&n, handshake->ephemeral_private, ephemeral, false) /* 9 */
	          && mix_dh(&n, identity->private_key, ephemeral, false);    /* 10 */
	if (ok) {
		mix_psk(&n, psk);                                                     /* 11 */
		ok = open_field(&n, &nothing, message + RESPONSE_EMPTY, TN_TAG_SIZE); /* 12 */
	}
	if (ok) {
		*remote_index = tn_load32le(message + 4);
		tn_kdf2(keys->send, keys->receive, n.C, NULL, 0);
		tn_handshake_zero(handshake);
	}
	tn_wipe(&n, sizeof n);
	return ok;
}

void tn_handshake_zero(struct tn_handshake *handshake)
{
	tn_wipe(handshake, sizeof *handshake);
}
