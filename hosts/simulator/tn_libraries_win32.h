/*
 * What an app for the simulator is linked with on Windows, beyond the SDK's own list. Included once.
 */
#ifndef TN_LIBRARIES_WIN32_H
#define TN_LIBRARIES_WIN32_H

#ifdef _MSC_VER
#pragma comment(lib, "crypt32")
#pragma comment(lib, "libsodium")
#pragma comment(lib, "mbedtls")
#pragma comment(lib, "mbedx509")
#pragma comment(lib, "mbedcrypto")
/* Of which Mbed TLS takes entropy, since 3.4. */
#pragma comment(lib, "bcrypt")
#endif

#endif
