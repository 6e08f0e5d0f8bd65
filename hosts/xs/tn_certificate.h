/*
 * What a certificate says of itself: names, validity, hash. Over Mbed TLS' parsed form (mbedtls_x509_crt), which it does not change.
 */
#ifndef TN_CERTIFICATE_H
#define TN_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

struct mbedtls_x509_crt;

/**
 * Whether it carries a name among its alternative names (RFC 6125: one leading "*" label is allowed; the subject's common name does not count).
 * @param expected DNS name, compared without case, or IP literal
 */
bool tn_certificate_carries(const struct mbedtls_x509_crt *certificate, const char *expected);

/** Whether it is valid at a time in Unix seconds. */
bool tn_certificate_is_valid(const struct mbedtls_x509_crt *certificate, uint64_t now);

/** Whether it is the meta certificate that a DERP server appends: its common name begins with "derpkey". */
bool tn_certificate_is_meta(const struct mbedtls_x509_crt *certificate);

/** Whether a was issued under b's name. */
bool tn_certificate_is_issued_by(const struct mbedtls_x509_crt *a, const struct mbedtls_x509_crt *b);

/** Whether a text is an IPv4 or IPv6 literal. @param out its 4 or 16 bytes. @return 4, 16, or 0 for anything else */
unsigned tn_certificate_parse_ip(const char *text, uint8_t out[16]);

#endif
