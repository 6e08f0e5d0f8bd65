/*
 * Mbed TLS' headers with the configuration that the library was built with. ESP-IDF names it on the compiler's command line, which no manifest of ours may
 * change; everywhere else it is where the headers look.
 */
#ifndef TN_MBEDTLS_H
#define TN_MBEDTLS_H

#if defined(ESP_PLATFORM) && !defined(MBEDTLS_CONFIG_FILE)
#define MBEDTLS_MAJOR_VERSION 4
#define MBEDTLS_CONFIG_FILE "mbedtls/esp_config.h"
#define TF_PSA_CRYPTO_USER_CONFIG_FILE "mbedtls/esp_config.h"
#endif
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#endif
