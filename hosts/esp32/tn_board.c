/*
 * Options of the board's sdkconfig. One that the node can go without is told in its health where it is off; one that it cannot stops the build. hosts/esp32/sdkconfig
 * has those that are worth having.
 */
#include "tn_board.h"

#include "sdkconfig.h"
#include "tn_config.h"
#include "tn_machine.h"

#ifndef CONFIG_LWIP_IPV4
#error "tailnet: expected CONFIG_LWIP_IPV4=y in sdkconfig, for the tailnet's own addresses and names"
#endif
#ifndef CONFIG_MBEDTLS_TLS_CLIENT
#error "tailnet: expected CONFIG_MBEDTLS_TLS_CLIENT_ONLY=y or CONFIG_MBEDTLS_TLS_SERVER_AND_CLIENT=y in sdkconfig, for relays, which are reached by TLS only"
#endif

const char tn_board_lacks[] =
#if TN_LACKS_IPV6
    "LWIP_IPV6: the node has no IPv6 address\n"
#endif
#ifndef CONFIG_LWIP_IP4_REASSEMBLY
    "LWIP_IP4_REASSEMBLY: UDP datagrams above 1,252 bytes do not arrive, nor do longer pings\n"
#endif
#ifndef CONFIG_LWIP_TCP_QUEUE_OOSEQ
    "LWIP_TCP_QUEUE_OOSEQ: all that a peer sent after a lost segment is sent again\n"
#endif
#ifndef CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
    "MBEDTLS_CERTIFICATE_BUNDLE: control and relays are trusted by the app's authorities only\n"
#endif
#ifndef CONFIG_MBEDTLS_PEM_PARSE_C
    "MBEDTLS_PEM_PARSE_C: authorities cannot be used\n"
#endif
#ifndef CONFIG_MBEDTLS_SSL_ALPN
    "MBEDTLS_SSL_ALPN: a relay that serves only who names its protocol is not reached\n"
#endif
#if CONFIG_FREERTOS_HZ < 1000
    "FREERTOS_HZ=1000: the node's timers are late by up to a tick\n"
#endif
    "";

_Static_assert(sizeof tn_board_lacks <= TN_FACT_MAX, "the list fits its buffer");
