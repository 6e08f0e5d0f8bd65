/*
 * lwIP as ESP-IDF builds it with the Moddable SDK's sdkconfig for the ESP32-C3 and -S3 (platform/moddable.md §5.1), less what needs an operating
 * system, an Ethernet or Wi-Fi link, or BSD sockets.
 */
#ifndef TN_CROSS_LWIPOPTS_H
#define TN_CROSS_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TIMERS 1

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 4
#define MEMP_NUM_TCP_PCB 16
#define MEMP_NUM_TCP_PCB_LISTEN 16
#define MEMP_NUM_UDP_PCB 16

#define LWIP_IPV4 1
#ifndef LWIP_IPV6
#define LWIP_IPV6 1
#endif
#define LWIP_ICMP 1
#define LWIP_ICMP6 LWIP_IPV6
#define LWIP_IPV6_MLD LWIP_IPV6
#define LWIP_IGMP 1
#define LWIP_RAW 1
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define IP_REASSEMBLY 0
#define LWIP_IPV6_REASS 0
#define IP_FRAG 1
#define LWIP_IPV6_FRAG LWIP_IPV6
#define LWIP_IPV6_NUM_ADDRESSES 3

#define LWIP_TCP 1
#define LWIP_UDP 1
#ifdef TN_DEVICE
#define TCP_MSS 1436
#define TCP_WND 5744
#define TCP_SND_BUF 5744
#else
/* A desktop's, as Debian builds it. */
#define TCP_MSS 1460
#define TCP_WND 0xffff
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 1
#define TCP_SND_BUF TCP_WND
#define MEMP_NUM_TCP_SEG 400
#endif
#define TCP_OVERSIZE TCP_MSS
#define TCP_QUEUE_OOSEQ 1
#define TCP_SYNMAXRTX 6
#define TCP_MAXRTX 12
#define LWIP_TCP_RTO_TIME 3000
#define TCP_LISTEN_BACKLOG 1
#define LWIP_TCP_KEEPALIVE 1
#define SO_REUSE 1

/* ESP-IDF's drivers hand in their buffers so. */
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_NETIF_TX_SINGLE_PBUF 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_STATS 0

#endif
