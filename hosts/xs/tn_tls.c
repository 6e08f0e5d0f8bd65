/*
 * TLS client sessions over Mbed TLS.
 */
#include "tn_tls.h"

#include "tn_mbedtls.h"
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "tn_certificate.h"
#include "tn_port.h"

#define REASON_MAX 160
#define NAME_MAX_LENGTH 254
/** Longest way from a certificate to one that is trusted. */
#define CHAIN_MAX 8
/** What Mbed TLS finds after it has verified the chain. */
#define USAGE ((uint32_t)(MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE))

struct tn_tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_x509_crt authorities;
	tn_tls_send send;
	tn_tls_receive receive;
	void *context;
	uint64_t now;
	bool is_unverified, has_hash, is_open;
	/* What was found when the certificates came; they are not kept (nor does every Mbed TLS keep them). */
	bool has_certificate;
	uint32_t flags;
	const char *problem; /* NULL: none */
	uint8_t sha256[32];
	char expected[NAME_MAX_LENGTH];
	char reason[REASON_MAX];
};

#ifdef MBEDTLS_SSL_ALPN
static const char *const protocols[] = {"http/1.1", NULL};
#endif
static _Atomic uint32_t sessions;

#if MBEDTLS_VERSION_NUMBER < 0x04000000
static int fill_random(void *context, unsigned char *out, size_t length)
{
	(void)context;
	tn_port_random(out, length);
	return 0;
}
#endif

static int send_bytes(void *context, const unsigned char *bytes, size_t length)
{
	struct tn_tls *tls = context;
	int sent = tls->send(tls->context, bytes, length);
	return sent >= 0 ? sent : sent == TN_TLS_WAIT ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int receive_bytes(void *context, unsigned char *bytes, size_t length)
{
	struct tn_tls *tls = context;
	int received = tls->receive(tls->context, bytes, length);
	return received >= 0 ? received : received == TN_TLS_WAIT ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

static void say(struct tn_tls *tls, const char *what)
{
	snprintf(tls->reason, sizeof tls->reason, "%s", what);
}

/** Makes our result of one of Mbed TLS; what is no progress, no wait and no end is a failure. */
static int result_of(struct tn_tls *tls, int result)
{
	if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE)
		return TN_TLS_WAIT;
	if (result == 0 || result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || result == MBEDTLS_ERR_SSL_CONN_EOF) {
		say(tls, "the stream ended");
		return TN_TLS_CLOSED;
	}
	snprintf(tls->reason, sizeof tls->reason, "TLS error -0x%04x", (unsigned)-result);
	return TN_TLS_FAILED;
}

static int on_certificate(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

/** The rules that Mbed TLS is configured with. @return an error of Mbed TLS, 0 = none */
static int configure(struct tn_tls *tls, const struct tn_tls_options *options)
{
	int result = mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	if (result != 0)
		return result;
#if MBEDTLS_VERSION_NUMBER < 0x04000000
	mbedtls_ssl_conf_rng(&tls->config, fill_random, NULL);
#endif
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	mbedtls_ssl_conf_min_version(&tls->config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#else
	mbedtls_ssl_conf_min_tls_version(&tls->config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
	/* Verification does not end the handshake: on_certificate weighs what it finds, with the time that we believe. */
	mbedtls_ssl_conf_authmode(&tls->config, tls->is_unverified ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_OPTIONAL);
	mbedtls_ssl_conf_verify(&tls->config, on_certificate, tls);
#ifdef MBEDTLS_SSL_ALPN
	result = mbedtls_ssl_conf_alpn_protocols(&tls->config, (const char **)(uintptr_t)protocols);
#endif
	if (result == 0)
		result = mbedtls_ssl_setup(&tls->ssl, &tls->config);
	if (result == 0)
		result = mbedtls_ssl_set_hostname(&tls->ssl, options->server_name);
	mbedtls_ssl_set_bio(&tls->ssl, tls, send_bytes, receive_bytes, NULL);
	return result;
}

struct tn_tls *tn_tls_open(const struct tn_tls_options *options, tn_tls_send send, tn_tls_receive receive, void *context, const char **reason)
{
	struct tn_tls *tls = tn_port_allocate(sizeof *tls);
	*reason = "out of memory";
	if (tls == NULL)
		return NULL;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	if (psa_crypto_init() != PSA_SUCCESS) {
		tn_port_free(tls);
		return NULL;
	}
#endif
	mbedtls_ssl_init(&tls->ssl);
	mbedtls_ssl_config_init(&tls->config);
	mbedtls_x509_crt_init(&tls->authorities);
	atomic_fetch_add(&sessions, 1);
	tls->send = send;
	tls->receive = receive;
	tls->context = context;
	tls->now = options->now;
	tls->is_unverified = options->is_unverified;
	tls->has_hash = options->sha256 != NULL;
	if (tls->has_hash)
		memcpy(tls->sha256, options->sha256, sizeof tls->sha256);
	if (options->expected != NULL) {
		if (strlen(options->expected) >= sizeof tls->expected) {
			*reason = "the expected name is too long";
			tn_tls_close(tls);
			return NULL;
		}
		strcpy(tls->expected, options->expected);
	}
	if (options->authorities != NULL && options->authorities[0] != '\0' &&
	    mbedtls_x509_crt_parse(&tls->authorities, (const unsigned char *)options->authorities, strlen(options->authorities) + 1) != 0) {
		*reason = "the authorities are no PEM certificates";
		tn_tls_close(tls);
		return NULL;
	}
	if (configure(tls, options) != 0) {
		tn_tls_close(tls);
		return NULL;
	}
	bool needs_roots = !tls->is_unverified && !tls->has_hash;
	if (needs_roots && !tn_tls_host_roots(&tls->config) && tls->authorities.version == 0) {
		*reason = "no trusted roots";
		tn_tls_close(tls);
		return NULL;
	}
	return tls;
}

static const char *check_dates(const struct tn_tls *tls, const mbedtls_x509_crt *certificate)
{
	return tls->now == 0 || tn_certificate_is_valid(certificate, tls->now) ? NULL : "a certificate is not valid now";
}

/** @return what is wrong, NULL = nothing */
static const char *check_pinned(const struct tn_tls *tls, const mbedtls_x509_crt *chain)
{
	const mbedtls_x509_crt *leaf = NULL;
	uint8_t hash[32], address[16];
	for (const mbedtls_x509_crt *certificate = chain; certificate != NULL; certificate = certificate->next) {
		if (certificate->raw.p == NULL || tn_certificate_is_meta(certificate))
			continue;
		if (leaf != NULL)
			return "expected exactly one certificate, got more";
		leaf = certificate;
	}
	if (leaf == NULL)
		return "expected exactly one certificate, got none";
	crypto_hash_sha256(hash, leaf->raw.p, leaf->raw.len);
	if (sodium_memcmp(hash, tls->sha256, sizeof hash) != 0)
		return "the certificate has another SHA-256 than expected";
	if (tls->expected[0] != '\0' && tn_certificate_parse_ip(tls->expected, address) == 0 && !tn_certificate_carries(leaf, tls->expected))
		return "the certificate does not carry the expected name";
	return check_dates(tls, leaf);
}

/** The certificate that the peer sent for the issuer of another one, or NULL. */
static const mbedtls_x509_crt *issuer_of(const mbedtls_x509_crt *chain, const mbedtls_x509_crt *certificate)
{
	const mbedtls_x509_crt *issuer = chain;
	while (issuer != NULL && (issuer == certificate || !tn_certificate_is_issued_by(certificate, issuer)))
		issuer = issuer->next;
	return issuer;
}

/** Whether one of the authorities that were given vouches for it. @param flags what was found with the host's own. @return what is found with these */
static uint32_t verify_by_authorities(struct tn_tls *tls, const mbedtls_x509_crt *chain, uint32_t flags)
{
	uint32_t found = 0;
	if (tls->authorities.version == 0)
		return flags;
	int result = mbedtls_x509_crt_verify((mbedtls_x509_crt *)(uintptr_t)chain, &tls->authorities, NULL, NULL, &found, NULL, NULL);
	if (result != 0 && result != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return flags;
	return found | (flags & USAGE);
}

/** @return what is wrong, NULL = nothing */
static const char *check_chain(struct tn_tls *tls, const mbedtls_x509_crt *chain, uint32_t flags)
{
	const char *problem = NULL;
	if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
		flags = verify_by_authorities(tls, chain, flags);
	/* What Mbed TLS says of dates goes by the system's clock, of the name by the server name. */
	flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE | MBEDTLS_X509_BADCERT_CN_MISMATCH);
	if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
		return "the certificate was issued by nobody who is trusted";
	if (flags != 0)
		return "the certificate may not be used for this";
	if (!tn_certificate_carries(chain, tls->expected))
		return "the certificate does not carry the expected name";
	const mbedtls_x509_crt *certificate = chain;
	for (unsigned i = 0; i < CHAIN_MAX && certificate != NULL && problem == NULL; i++) {
		problem = check_dates(tls, certificate);
		certificate = issuer_of(chain, certificate);
	}
	return problem;
}

/** Mbed TLS has verified a certificate of the chain that came; the leaf is the last one. */
static int on_certificate(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	struct tn_tls *tls = context;
	if (!tls->has_hash)
		tn_tls_host_look(certificate, depth, flags);
	tls->flags |= *flags;
	if (depth == 0) {
		tls->has_certificate = true;
		tls->problem = tls->has_hash ? check_pinned(tls, certificate) : check_chain(tls, certificate, tls->flags);
	}
	return 0;
}

/** @return TN_TLS_DONE or TN_TLS_REFUSED */
static int check(struct tn_tls *tls)
{
	const char *problem = tls->problem;
	if (tls->is_unverified)
		return TN_TLS_DONE;
	if (!tls->has_certificate)
		problem = "the peer has no certificate";
	else if (problem == NULL && !tls->has_hash && (mbedtls_ssl_get_verify_result(&tls->ssl) & USAGE) != 0)
		problem = "the certificate may not be used for this";
	if (problem == NULL)
		return TN_TLS_DONE;
	say(tls, problem);
	return TN_TLS_REFUSED;
}

int tn_tls_handshake(struct tn_tls *tls)
{
	int result = mbedtls_ssl_handshake(&tls->ssl);
	if (result != 0)
		return result_of(tls, result);
	result = check(tls);
	tls->is_open = result == TN_TLS_DONE;
	return result;
}

int tn_tls_read(struct tn_tls *tls, uint8_t *out, size_t size)
{
	int result = mbedtls_ssl_read(&tls->ssl, out, size);
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
	while (result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
		result = mbedtls_ssl_read(&tls->ssl, out, size);
#endif
	return result > 0 ? result : result_of(tls, result);
}

int tn_tls_write(struct tn_tls *tls, const uint8_t *bytes, size_t length)
{
	int result = mbedtls_ssl_write(&tls->ssl, bytes, length);
	return result > 0 ? result : result_of(tls, result);
}

void tn_tls_goodbye(struct tn_tls *tls)
{
	if (tls->is_open)
		mbedtls_ssl_close_notify(&tls->ssl);
}

const char *tn_tls_reason(const struct tn_tls *tls)
{
	return tls->reason;
}

void tn_tls_close(struct tn_tls *tls)
{
	if (tls == NULL)
		return;
	mbedtls_ssl_free(&tls->ssl);
	mbedtls_ssl_config_free(&tls->config);
	mbedtls_x509_crt_free(&tls->authorities);
	if (atomic_fetch_sub(&sessions, 1) == 1)
		tn_tls_host_forget();
	tn_port_free(tls);
}
