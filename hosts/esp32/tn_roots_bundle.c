/*
 * The trusted roots: ESP-IDF's certificate bundle, in flash.
 */
#include "sdkconfig.h"
#include "tn_mbedtls.h"
#include "tn_tls.h"

#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE

#include "esp_crt_bundle.h"

/** What is weighed elsewhere, by a time and a name that the bundle does not know of. */
#define ELSEWHERE ((uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE | MBEDTLS_X509_BADCERT_CN_MISMATCH))

/** The bundle's own look at a certificate whose issuer did not come along. */
extern int esp_crt_verify_callback(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

bool tn_tls_host_roots(void *configuration)
{
	/* Its callback ends the handshake where the bundle has no root, though there may be other authorities: ours stands in its place. */
	mbedtls_ssl_config *config = configuration;
	int (*callback)(void *, mbedtls_x509_crt *, int, uint32_t *) = config->MBEDTLS_PRIVATE(f_vrfy);
	void *context = config->MBEDTLS_PRIVATE(p_vrfy);
	bool has_roots = esp_crt_bundle_attach(config) == ESP_OK;
	mbedtls_ssl_conf_verify(config, callback, context);
	return has_roots;
}

void tn_tls_host_look(void *certificate, int depth, uint32_t *flags)
{
	uint32_t found = *flags & ~ELSEWHERE;
	(void)esp_crt_verify_callback(NULL, certificate, depth, &found);
	*flags = found | (*flags & ELSEWHERE);
}

#else

bool tn_tls_host_roots(void *configuration)
{
	(void)configuration;
	return false;
}

void tn_tls_host_look(void *certificate, int depth, uint32_t *flags)
{
	(void)certificate;
	(void)depth;
	(void)flags;
}

#endif

void tn_tls_host_forget(void)
{
}
