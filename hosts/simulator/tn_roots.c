/*
 * The system's trusted roots, read once while there are TLS sessions. SSL_CERT_FILE names a file that takes their place.
 */
#include "tn_roots.h"

#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>

#include "tn_thread.h"
#include "tn_tls.h"

static struct {
	tn_mutex lock;
	bool is_read;
	mbedtls_x509_crt chain;
} roots = {.lock = TN_MUTEX_OPEN};

/** The lock is held. Single certificates of the file that Mbed TLS cannot read are left out. */
static void read_roots(void)
{
	const char *named = getenv("SSL_CERT_FILE");
	mbedtls_x509_crt_init(&roots.chain);
	roots.is_read = true;
	if (named != NULL && mbedtls_x509_crt_parse_file(&roots.chain, named) >= 0)
		return;
	tn_roots_read(&roots.chain);
}

bool tn_tls_host_roots(void *configuration)
{
	tn_mutex_lock(&roots.lock);
	if (!roots.is_read)
		read_roots();
	tn_mutex_unlock(&roots.lock);
	mbedtls_ssl_conf_ca_chain(configuration, &roots.chain, NULL);
	return roots.chain.version != 0;
}

void tn_tls_host_look(void *certificate, int depth, uint32_t *flags)
{
	(void)certificate;
	(void)depth;
	(void)flags;
}

void tn_tls_host_forget(void)
{
	tn_mutex_lock(&roots.lock);
	if (roots.is_read)
		mbedtls_x509_crt_free(&roots.chain);
	roots.is_read = false;
	tn_mutex_unlock(&roots.lock);
}
