/*
 * Sockets of the tests' network, as the VM asks for them. Part of tn_net.h.
 */
#ifndef TN_NET_SOCKETS_H
#define TN_NET_SOCKETS_H

static inline uint32_t net_connect(struct host *host, const uint8_t address[16], uint16_t port)
{
	uint8_t record[24];
	uint32_t handle = net_open(host);
	net_record(record, TN_COMMAND_TCP_CONNECT, 1, port);
	tn_store32le(record + 4, handle);
	memcpy(record + 8, address, 16);
	net_send(host, record, sizeof record);
	return handle;
}

static inline uint32_t net_listen(struct host *host, uint16_t port)
{
	uint32_t handle = net_open(host);
	net_handle_command(host, TN_COMMAND_TCP_LISTEN, handle, 0, port);
	return handle;
}

static inline uint32_t net_bind(struct host *host, uint16_t port)
{
	uint32_t handle = net_open(host);
	net_handle_command(host, TN_COMMAND_UDP_BIND, handle, 0, port);
	return handle;
}

static inline void net_udp_send(struct host *host, uint32_t handle, const uint8_t address[16], uint16_t port, const uint8_t *payload, size_t length)
{
	uint8_t record[2048];
	net_record(record, TN_COMMAND_UDP_SEND, 0, port);
	tn_store32le(record + 4, handle);
	memcpy(record + 8, address, 16);
	memcpy(record + 24, payload, length);
	net_send(host, record, 24 + length);
}

static inline void net_inject(struct host *host, const uint8_t *packet, size_t length)
{
	uint8_t record[4 + 2048];
	net_record(record, TN_COMMAND_INJECT, 0, 0);
	memcpy(record + 4, packet, length);
	net_send(host, record, 4 + length);
}

#endif
