/*
 * The roots of Windows: its certificate store "ROOT", of this user and of the machine.
 *
 * Windows puts a root of its programme there when one of its own functions first needs it. Where one is missing, SSL_CERT_FILE or the app names it.
 */
#include "tn_roots.h"

#include <winsock2.h> /* before windows.h, which else has an older one */
#include <windows.h>
#include <wincrypt.h>
#include <mbedtls/x509_crt.h>

void tn_roots_read(struct mbedtls_x509_crt *chain)
{
	const CERT_CONTEXT *each = NULL;
	HCERTSTORE store = CertOpenSystemStoreW(0, L"ROOT");
	if (store == NULL)
		return;
	while ((each = CertEnumCertificatesInStore(store, each)) != NULL) {
		if ((each->dwCertEncodingType & X509_ASN_ENCODING) != 0)
			mbedtls_x509_crt_parse_der(chain, each->pbCertEncoded, each->cbCertEncoded);
	}
	CertCloseStore(store, 0);
}
