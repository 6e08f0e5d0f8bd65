/*
 * One TLS client session over Mbed TLS, without sockets: bytes leave and come through two functions that never wait. Works with Mbed TLS 2.28 (desktops) and
 * with 3.x and 4.x (ESP-IDF).
 *
 * Whom to believe is decided here, when the certificates come and before a byte of the app leaves (protocol/relay.md §3.3), by the time and the name that the
 * caller gives: the system's clock may know nothing.
 *
 *   chain        to one of the authorities given or of the host's own, every certificate of it valid now, and the leaf carries the name as an
 *                alternative name
 *   sha256       of certificates that are no DERP meta certificates exactly one, with that hash, valid now, and it carries the name if that is a DNS name
 *   unverified   anything; only where the protocol above authenticates
 */
#ifndef TN_TLS_H
#define TN_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn_tls;

struct tn_tls_options {
	const char *server_name; /* for SNI; NULL: an IP literal was dialled */
	const char *expected;    /* DNS name or IP literal that the certificate must carry */
	const uint8_t *sha256;   /* 32 bytes, or NULL */
	const char *authorities; /* PEM, any number; NULL or "": the host's own only */
	uint64_t now;            /* Unix seconds; 0: not known, and dates are not looked at */
	bool is_unverified;
};

enum tn_tls_result {
	TN_TLS_DONE = 0,
	TN_TLS_WAIT = -1,    /* nothing more to be done until bytes come or can go */
	TN_TLS_CLOSED = -2,  /* the peer has ended the stream */
	TN_TLS_REFUSED = -3, /* the certificate will not do; tn_tls_reason says why */
	TN_TLS_FAILED = -4,  /* anything else; tn_tls_reason says what */
};

/** @return bytes sent or received, at least 1; or TN_TLS_WAIT, TN_TLS_CLOSED */
typedef int (*tn_tls_send)(void *context, const uint8_t *bytes, size_t length);
typedef int (*tn_tls_receive)(void *context, uint8_t *bytes, size_t length);

/** Makes a session; the options are copied. @return NULL with *reason set (a constant text) when memory is short or the authorities are no PEM */
struct tn_tls *tn_tls_open(const struct tn_tls_options *options, tn_tls_send send, tn_tls_receive receive, void *context, const char **reason);

/** Goes on with the handshake. @return enum tn_tls_result; after TN_TLS_DONE the session may be used */
int tn_tls_handshake(struct tn_tls *tls);

/** @return bytes of plaintext, at least 1; or enum tn_tls_result */
int tn_tls_read(struct tn_tls *tls, uint8_t *out, size_t size);

/** @return bytes taken, at least 1; or enum tn_tls_result. After TN_TLS_WAIT the same bytes must be given again */
int tn_tls_write(struct tn_tls *tls, const uint8_t *bytes, size_t length);

/** Says goodbye, as far as that goes without waiting. */
void tn_tls_goodbye(struct tn_tls *tls);

/** What went wrong, for people; never a secret. Valid until tn_tls_close. */
const char *tn_tls_reason(const struct tn_tls *tls);

/** NULL is allowed. */
void tn_tls_close(struct tn_tls *tls);

/* ---- Provided by the host ---- */

/** Makes the host's own roots those of a configuration (mbedtls_ssl_config), which they outlive. @return false when there are none */
bool tn_tls_host_roots(void *configuration);

/**
 * Mbed TLS has found flags (MBEDTLS_X509_BADCERT_...) about a certificate (mbedtls_x509_crt) of a chain: a host whose roots it cannot know takes away what is
 * wrong.
 */
void tn_tls_host_look(void *certificate, int depth, uint32_t *flags);

/** The last session has ended: gives back what roots are kept. */
void tn_tls_host_forget(void);

#endif
