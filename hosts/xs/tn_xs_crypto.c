/*
 * The cryptography of modules/host-contract.ts: libsodium and native/tn_blake2s. Results go into a buffer that is given first.
 */
#include "tn_xs.h"

#include <sodium.h>
#include "tn_argon2i.h"
#include "tn_blake2s.h"
#include "tn_crc32.h"
#include "tn_crypto.h"
#include "tn_defines.h"
#include "tn_ed25519.h"

#define AEAD_NONCE_BYTES 12
#define BOX_NONCE_BYTES 24

/** Bytes of the result; they must be this many. */
static uint8_t *result(xsMachine *the, size_t length)
{
	struct tn_xs_bytes out = tn_xs_writable(the, 0);
	if (out.length != length)
		xsTypeError("expected room for %d bytes, got %d", (int)length, (int)out.length);
	return out.data;
}

void xs_tn_random(xsMachine *the)
{
	struct tn_xs_bytes out = tn_xs_writable(the, 0);
	tn_port_random(out.data, out.length);
}

void xs_tn_x25519(xsMachine *the)
{
	const uint8_t *private_key = tn_xs_exactly(the, 1, TN_KEY_SIZE), *public_key = tn_xs_exactly(the, 2, TN_KEY_SIZE);
	xsmcSetBoolean(xsResult, tn_x25519(result(the, TN_KEY_SIZE), private_key, public_key));
}

void xs_tn_x25519_public(xsMachine *the)
{
	const uint8_t *private_key = tn_xs_exactly(the, 1, TN_KEY_SIZE);
	tn_x25519_public(result(the, TN_KEY_SIZE), private_key);
}

void xs_tn_blake2s(xsMachine *the)
{
	struct tn_blake2s state;
	tn_blake2s_init(&state, TN_HASH_SIZE, NULL, 0);
	for (int i = 1; i < xsmcArgc; i++) {
		struct tn_xs_bytes part = tn_xs_readable(the, (unsigned)i);
		tn_blake2s_update(&state, part.data, part.length);
	}
	tn_blake2s_final(&state, result(the, TN_HASH_SIZE));
	tn_wipe(&state, sizeof state);
}

/** One to three outputs, as many as there is room for. */
void xs_tn_hkdf_blake2s(xsMachine *the)
{
	const uint8_t *salt = tn_xs_exactly(the, 1, TN_HASH_SIZE);
	struct tn_xs_bytes input = tn_xs_readable(the, 2), out = tn_xs_writable(the, 0);
	if (out.length == TN_HASH_SIZE)
		tn_kdf1(out.data, salt, input.data, input.length);
	else if (out.length == 2 * TN_HASH_SIZE)
		tn_kdf2(out.data, out.data + TN_HASH_SIZE, salt, input.data, input.length);
	else if (out.length == 3 * TN_HASH_SIZE)
		tn_kdf3(out.data, out.data + TN_HASH_SIZE, out.data + 2 * TN_HASH_SIZE, salt, input.data, input.length);
	else
		xsRangeError("count: 1 to 3");
}

void xs_tn_aead_seal(xsMachine *the)
{
	const uint8_t *key = tn_xs_exactly(the, 1, TN_KEY_SIZE), *nonce = tn_xs_exactly(the, 2, AEAD_NONCE_BYTES);
	struct tn_xs_bytes data = tn_xs_readable(the, 3), plaintext = tn_xs_readable(the, 4);
	uint8_t *out = result(the, plaintext.length + TN_TAG_SIZE);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plaintext.data, plaintext.length, data.data, data.length, NULL, nonce, key);
}

void xs_tn_aead_open(xsMachine *the)
{
	const uint8_t *key = tn_xs_exactly(the, 1, TN_KEY_SIZE), *nonce = tn_xs_exactly(the, 2, AEAD_NONCE_BYTES);
	struct tn_xs_bytes data = tn_xs_readable(the, 3), sealed = tn_xs_readable(the, 4);
	if (sealed.length < TN_TAG_SIZE) {
		xsmcSetFalse(xsResult);
		return;
	}
	uint8_t *out = result(the, sealed.length - TN_TAG_SIZE);
	xsmcSetBoolean(xsResult, crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.length, data.data, data.length, nonce, key) == 0);
}

void xs_tn_box_shared_key(xsMachine *the)
{
	const uint8_t *private_key = tn_xs_exactly(the, 1, TN_KEY_SIZE), *public_key = tn_xs_exactly(the, 2, TN_KEY_SIZE);
	xsmcSetBoolean(xsResult, crypto_box_beforenm(result(the, TN_KEY_SIZE), public_key, private_key) == 0);
}

void xs_tn_box_seal(xsMachine *the)
{
	const uint8_t *key = tn_xs_exactly(the, 1, TN_KEY_SIZE), *nonce = tn_xs_exactly(the, 2, BOX_NONCE_BYTES);
	struct tn_xs_bytes plaintext = tn_xs_readable(the, 3);
	crypto_box_easy_afternm(result(the, plaintext.length + TN_TAG_SIZE), plaintext.data, plaintext.length, nonce, key);
}

void xs_tn_box_open(xsMachine *the)
{
	const uint8_t *key = tn_xs_exactly(the, 1, TN_KEY_SIZE), *nonce = tn_xs_exactly(the, 2, BOX_NONCE_BYTES);
	struct tn_xs_bytes sealed = tn_xs_readable(the, 3);
	if (sealed.length < TN_TAG_SIZE) {
		xsmcSetFalse(xsResult);
		return;
	}
	uint8_t *out = result(the, sealed.length - TN_TAG_SIZE);
	xsmcSetBoolean(xsResult, crypto_box_open_easy_afternm(out, sealed.data, sealed.length, nonce, key) == 0);
}

/* Without tailnet lock ("lock": false in the manifest's defines) nobody asks, and what of libsodium only it needs is left out. */
#if defined(MODDEF_TAILNET_LOCK) && !MODDEF_TAILNET_LOCK
void xs_tn_argon2i(xsMachine *the)
{
	xsmcSetBoolean(xsResult, false);
}

void xs_tn_ed25519_verify(xsMachine *the)
{
	xsmcSetBoolean(xsResult, false);
}
#else
void xs_tn_argon2i(xsMachine *the)
{
	struct tn_xs_bytes secret = tn_xs_readable(the, 1), salt = tn_xs_readable(the, 2);
	xsmcSetBoolean(xsResult, tn_argon2i(result(the, TN_ARGON2I_SIZE), secret.data, secret.length, salt.data, salt.length));
}

void xs_tn_ed25519_verify(xsMachine *the)
{
	struct tn_xs_bytes key = tn_xs_readable(the, 0), message = tn_xs_readable(the, 1), signature = tn_xs_readable(the, 2);
	int verdict = 0;
	if (key.length == crypto_sign_PUBLICKEYBYTES && signature.length == crypto_sign_BYTES)
		verdict = tn_ed25519_verify(key.data, message.data, message.length, signature.data);
	if (verdict < 0)
		xsUnknownError("no memory to verify a signature");
	xsmcSetBoolean(xsResult, verdict == 1);
}
#endif

void xs_tn_equal_bytes(xsMachine *the)
{
	struct tn_xs_bytes a = tn_xs_readable(the, 0), b = tn_xs_readable(the, 1);
	xsmcSetBoolean(xsResult, a.length == b.length && tn_equal(a.data, b.data, a.length));
}

void xs_tn_wipe(xsMachine *the)
{
	struct tn_xs_bytes bytes = tn_xs_writable(the, 0);
	tn_wipe(bytes.data, bytes.length);
}

void xs_tn_crc32(xsMachine *the)
{
	size_t wanted = xsmcToUnsigned(xsArg(1));
	struct tn_xs_bytes bytes = tn_xs_readable(the, 0);
	xsmcSetUnsigned(xsResult, tn_crc32(bytes.data, wanted < bytes.length ? wanted : bytes.length));
}
