/*
 * The cryptography of modules/host-contract.ts for Node: libsodium and native/tn_blake2s under JavaScript names.
 */
#include "binding.h"

#include <sodium.h>
#include <string.h>
#include <time.h>
#include "tn_argon2i.h"
#include "tn_blake2s.h"
#include "tn_crc32.h"
#include "tn_host.h"

#define KEY_BYTES 32
#define AEAD_NONCE_BYTES 12
#define BOX_NONCE_BYTES 24
#define TAG_BYTES 16
#define HKDF_OUTPUTS_MAX 3

static napi_value x25519(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes private_key, public_key;
	uint8_t *shared;
	if (!binding_bytes_exact(env, call.values[0], "privateKey: 32 bytes", KEY_BYTES, &private_key) ||
	    !binding_bytes_exact(env, call.values[1], "publicKey: 32 bytes", KEY_BYTES, &public_key))
		return NULL;
	napi_value result = binding_new_bytes(env, KEY_BYTES, &shared);
	if (result == NULL)
		return NULL;
	return crypto_scalarmult_curve25519(shared, private_key.data, public_key.data) == 0 ? result : binding_undefined(env);
}

static napi_value x25519_public_key(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes private_key;
	uint8_t *public_key;
	if (!binding_bytes_exact(env, call.values[0], "privateKey: 32 bytes", KEY_BYTES, &private_key))
		return NULL;
	napi_value result = binding_new_bytes(env, KEY_BYTES, &public_key);
	if (result != NULL)
		crypto_scalarmult_curve25519_base(public_key, private_key.data);
	return result;
}

static napi_value blake2s(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_blake2s state;
	uint8_t *digest;
	tn_blake2s_init(&state, TN_HASH_SIZE, NULL, 0);
	for (size_t i = 0; i < call.count; i++) {
		struct bytes part;
		if (!binding_bytes(env, call.values[i], "blake2s: Uint8Array", &part))
			return NULL;
		tn_blake2s_update(&state, part.data, part.length);
	}
	napi_value result = binding_new_bytes(env, TN_HASH_SIZE, &digest);
	if (result != NULL)
		tn_blake2s_final(&state, digest);
	sodium_memzero(&state, sizeof state);
	return result;
}

static napi_value hkdf_blake2s(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes salt, input;
	uint32_t count;
	uint8_t outputs[HKDF_OUTPUTS_MAX][TN_HASH_SIZE];
	napi_value list;
	if (!binding_bytes_exact(env, call.values[0], "salt: 32 bytes", TN_HASH_SIZE, &salt) ||
	    !binding_bytes(env, call.values[1], "inputKey: Uint8Array", &input) || !binding_u32(env, call.values[2], "count: number", &count))
		return NULL;
	if (count < 1 || count > HKDF_OUTPUTS_MAX) {
		napi_throw_range_error(env, NULL, "count: 1 to 3");
		return NULL;
	}
	if (count == 1)
		tn_kdf1(outputs[0], salt.data, input.data, input.length);
	else if (count == 2)
		tn_kdf2(outputs[0], outputs[1], salt.data, input.data, input.length);
	else
		tn_kdf3(outputs[0], outputs[1], outputs[2], salt.data, input.data, input.length);
	napi_create_array_with_length(env, count, &list);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *bytes;
		napi_value output = binding_new_bytes(env, TN_HASH_SIZE, &bytes);
		if (output == NULL)
			break;
		memcpy(bytes, outputs[i], TN_HASH_SIZE);
		napi_set_element(env, list, i, output);
	}
	sodium_memzero(outputs, sizeof outputs);
	return list;
}

static napi_value aead_seal(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes key, nonce, data, plaintext;
	uint8_t *sealed;
	if (!binding_bytes_exact(env, call.values[0], "key: 32 bytes", KEY_BYTES, &key) ||
	    !binding_bytes_exact(env, call.values[1], "nonce: 12 bytes", AEAD_NONCE_BYTES, &nonce) ||
	    !binding_bytes(env, call.values[2], "associatedData: Uint8Array", &data) || !binding_bytes(env, call.values[3], "plaintext: Uint8Array", &plaintext))
		return NULL;
	napi_value result = binding_new_bytes(env, plaintext.length + TAG_BYTES, &sealed);
	if (result != NULL)
		crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plaintext.data, plaintext.length, data.data, data.length, NULL, nonce.data, key.data);
	return result;
}

static napi_value aead_open(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes key, nonce, data, sealed;
	uint8_t *plaintext;
	if (!binding_bytes_exact(env, call.values[0], "key: 32 bytes", KEY_BYTES, &key) ||
	    !binding_bytes_exact(env, call.values[1], "nonce: 12 bytes", AEAD_NONCE_BYTES, &nonce) ||
	    !binding_bytes(env, call.values[2], "associatedData: Uint8Array", &data) || !binding_bytes(env, call.values[3], "ciphertext: Uint8Array", &sealed))
		return NULL;
	if (sealed.length < TAG_BYTES)
		return binding_undefined(env);
	napi_value result = binding_new_bytes(env, sealed.length - TAG_BYTES, &plaintext);
	if (result == NULL)
		return NULL;
	return crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, NULL, NULL, sealed.data, sealed.length, data.data, data.length, nonce.data, key.data) == 0
	           ? result
	           : binding_undefined(env);
}

static napi_value box_shared_key(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes private_key, public_key;
	uint8_t *shared;
	if (!binding_bytes_exact(env, call.values[0], "privateKey: 32 bytes", KEY_BYTES, &private_key) ||
	    !binding_bytes_exact(env, call.values[1], "publicKey: 32 bytes", KEY_BYTES, &public_key))
		return NULL;
	napi_value result = binding_new_bytes(env, KEY_BYTES, &shared);
	if (result == NULL)
		return NULL;
	return crypto_box_beforenm(shared, public_key.data, private_key.data) == 0 ? result : binding_undefined(env);
}

static napi_value box_seal(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes key, nonce, plaintext;
	uint8_t *sealed;
	if (!binding_bytes_exact(env, call.values[0], "sharedKey: 32 bytes", KEY_BYTES, &key) ||
	    !binding_bytes_exact(env, call.values[1], "nonce: 24 bytes", BOX_NONCE_BYTES, &nonce) ||
	    !binding_bytes(env, call.values[2], "plaintext: Uint8Array", &plaintext))
		return NULL;
	napi_value result = binding_new_bytes(env, plaintext.length + TAG_BYTES, &sealed);
	if (result != NULL)
		crypto_box_easy_afternm(sealed, plaintext.data, plaintext.length, nonce.data, key.data);
	return result;
}

static napi_value box_open(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes key, nonce, sealed;
	uint8_t *plaintext;
	if (!binding_bytes_exact(env, call.values[0], "sharedKey: 32 bytes", KEY_BYTES, &key) ||
	    !binding_bytes_exact(env, call.values[1], "nonce: 24 bytes", BOX_NONCE_BYTES, &nonce) ||
	    !binding_bytes(env, call.values[2], "sealed: Uint8Array", &sealed))
		return NULL;
	if (sealed.length < TAG_BYTES)
		return binding_undefined(env);
	napi_value result = binding_new_bytes(env, sealed.length - TAG_BYTES, &plaintext);
	if (result == NULL)
		return NULL;
	return crypto_box_open_easy_afternm(plaintext, sealed.data, sealed.length, nonce.data, key.data) == 0 ? result : binding_undefined(env);
}

static napi_value ed25519_verify(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes key, message, signature;
	if (!binding_bytes(env, call.values[0], "publicKey: Uint8Array", &key) || !binding_bytes(env, call.values[1], "message: Uint8Array", &message) ||
	    !binding_bytes(env, call.values[2], "signature: Uint8Array", &signature))
		return NULL;
	bool is_right = key.length == crypto_sign_PUBLICKEYBYTES && signature.length == crypto_sign_BYTES &&
	                crypto_sign_verify_detached(signature.data, message.data, message.length, key.data) == 0;
	return binding_boolean(env, is_right);
}

static napi_value argon2i(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes secret, salt;
	uint8_t *out;
	if (!binding_bytes(env, call.values[0], "secret: Uint8Array", &secret) || !binding_bytes(env, call.values[1], "salt: Uint8Array", &salt))
		return NULL;
	napi_value result = binding_new_bytes(env, TN_ARGON2I_SIZE, &out);
	if (result == NULL)
		return NULL;
	return tn_argon2i(out, secret.data, secret.length, salt.data, salt.length) ? result : binding_undefined(env);
}

static napi_value equal_bytes(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes a, b;
	if (!binding_bytes(env, call.values[0], "a: Uint8Array", &a) || !binding_bytes(env, call.values[1], "b: Uint8Array", &b))
		return NULL;
	return binding_boolean(env, a.length == b.length && (a.length == 0 || sodium_memcmp(a.data, b.data, a.length) == 0));
}

static napi_value wipe(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes bytes;
	if (!binding_bytes(env, call.values[0], "bytes: Uint8Array", &bytes))
		return NULL;
	if (bytes.length > 0)
		sodium_memzero(bytes.data, bytes.length);
	return binding_undefined(env);
}

static napi_value crc32(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes bytes;
	uint32_t length;
	if (!binding_bytes(env, call.values[0], "bytes: Uint8Array", &bytes) || !binding_u32(env, call.values[1], "lengthBytes: number", &length))
		return NULL;
	return binding_number(env, tn_crc32(bytes.data, length < bytes.length ? length : bytes.length));
}

static napi_value monotonic_ms(napi_env env, napi_callback_info info)
{
	(void)info;
	return binding_number(env, (double)tn_host_now_us() / 1000.0);
}

void binding_crypto(napi_env env, napi_value exports)
{
	binding_function(env, exports, "x25519", x25519);
	binding_function(env, exports, "x25519PublicKey", x25519_public_key);
	binding_function(env, exports, "blake2s", blake2s);
	binding_function(env, exports, "hkdfBlake2s", hkdf_blake2s);
	binding_function(env, exports, "aeadSeal", aead_seal);
	binding_function(env, exports, "aeadOpen", aead_open);
	binding_function(env, exports, "boxSharedKey", box_shared_key);
	binding_function(env, exports, "boxSeal", box_seal);
	binding_function(env, exports, "boxOpen", box_open);
	binding_function(env, exports, "ed25519Verify", ed25519_verify);
	binding_function(env, exports, "argon2i", argon2i);
	binding_function(env, exports, "equalBytes", equal_bytes);
	binding_function(env, exports, "wipe", wipe);
	binding_function(env, exports, "crc32", crc32);
	binding_function(env, exports, "monotonicMS", monotonic_ms);
}
