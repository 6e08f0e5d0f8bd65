/*
 * Where a desktop keeps the roots that it trusts. One implementation a system.
 */
#ifndef TN_ROOTS_H
#define TN_ROOTS_H

struct mbedtls_x509_crt;

/** Adds them to a chain (mbedtls_x509_crt). What Mbed TLS cannot read is left out. */
void tn_roots_read(struct mbedtls_x509_crt *chain);

#endif
