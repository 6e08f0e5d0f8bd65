/*
 * Addresses as the node has them, 16 bytes with IPv4 v4-mapped, and as BSD sockets have them.
 */
#ifndef TN_SOCKADDR_H
#define TN_SOCKADDR_H

#include <string.h>
#include "tn_bsd.h"
#include "tn_packet.h"

/** @param is_ip6 the family of the socket. @return length of the socket address */
static inline socklen_t tn_sockaddr_to(struct sockaddr_storage *out, const uint8_t address[16], uint16_t port, bool is_ip6)
{
	memset(out, 0, sizeof *out);
	if (is_ip6) {
		struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)(void *)out;
		ip6->sin6_family = AF_INET6;
		ip6->sin6_port = htons(port);
		memcpy(&ip6->sin6_addr, address, 16);
		return sizeof *ip6;
	}
	struct sockaddr_in *ip4 = (struct sockaddr_in *)(void *)out;
	ip4->sin_family = AF_INET;
	ip4->sin_port = htons(port);
	memcpy(&ip4->sin_addr, address + 12, 4);
	return sizeof *ip4;
}

/** Of another family than these two there is nothing to be had: all zero. */
static inline void tn_sockaddr_from(const struct sockaddr_storage *in, uint8_t address[16], uint16_t *port)
{
	memset(address, 0, 16);
	*port = 0;
	if (in->ss_family == AF_INET6) {
		const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)(const void *)in;
		memcpy(address, &ip6->sin6_addr, 16);
		*port = ntohs(ip6->sin6_port);
	} else if (in->ss_family == AF_INET) {
		const struct sockaddr_in *ip4 = (const struct sockaddr_in *)(const void *)in;
		tn_address_from_ip4(address, (const uint8_t *)&ip4->sin_addr);
		*port = ntohs(ip4->sin_port);
	}
}

#endif
