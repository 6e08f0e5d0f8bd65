/*
 * Fuzz target: a node that is given datagrams, bytes of DERP connections, commands and time, by a stranger and by a peer with a session, in any order.
 *
 * The input is a list of actions: u8 kind, u8 length, then length bytes. Nothing may crash, hang, or be read or written out of place.
 */
#define TN_TEST_NO_MAIN
#define NET_WIRE 128
#define NET_EVENTS 32
#include "tn_net.h"

enum action {
	DATAGRAM,  /* from a stranger */
	INNER,     /* an inner packet of the peer */
	FILLED,    /* the same, with IP lengths and checksums put right */
	COMMAND,   /* a command record of the VM */
	DERP,      /* bytes of a DERP connection */
	TIME,      /* milliseconds */
	STREAM,    /* the VM writes to, reads from or closes a socket */
	HANDSHAKE, /* the peer starts anew */
	ACTIONS,
};

static void stream(struct host *host, const uint8_t *bytes, size_t length)
{
	uint8_t into[512];
	uint32_t handle = bytes[0] % 8u + (1u + bytes[1] % 4u) * 65536u;
	if (length < 2)
		return;
	tn_node_vm_write(host->node, handle, bytes, length);
	tn_node_vm_read(host->node, handle, into, sizeof into);
	if (bytes[1] > 250)
		net_handle_command(host, TN_COMMAND_SOCKET_CLOSE, handle, bytes[0] >> 7, 0);
	if (bytes[1] < 5)
		tn_node_vm_open(host->node);
}

static void inner(struct raw *raw, uint8_t *bytes, size_t length, bool is_filled)
{
	if (!tn_wg_has_session(&raw->wg, 0, raw->net->now) || length == 0)
		return;
	if (is_filled && length >= 40) {
		if (bytes[0] >> 4 == 4) {
			bytes[0] = 0x45;
			tn_store16be(bytes + 2, (uint16_t)length);
			memcpy(bytes + 12, raw->address4 + 12, 4);
			memcpy(bytes + 16, raw->host->address4 + 12, 4);
		} else {
			bytes[0] = 0x60;
			tn_store16be(bytes + 4, (uint16_t)(length - 40));
			memcpy(bytes + 8, raw->address6, 16);
			memcpy(bytes + 24, raw->host->address6, 16);
		}
		tn_checksum_fill(bytes, length);
	}
	net_raw_packet(raw, bytes, length);
}

static void act(struct net *net, struct host *host, struct raw *raw, unsigned kind, uint8_t *bytes, size_t length)
{
	uint8_t from[18] = {0}, record[512];
	const uint8_t *rest;
	from[17] = 9;
	switch (kind % ACTIONS) {
	case DATAGRAM:
		net_put(net, from, host->endpoint, bytes, length);
		break;
	case INNER:
	case FILLED:
		inner(raw, bytes, length, kind % ACTIONS == FILLED);
		break;
	case COMMAND:
		memcpy(record, bytes, length);
		/* Addresses are memory only inside the node. */
		if (length >= 4 && record[0] < 64)
			tn_node_vm_send(host->node, record, length);
		break;
	case DERP:
		tn_node_vm_derp_receive(host->node, (uint16_t)(1 + length % 3), bytes, length, host->net->now, &rest);
		break;
	case TIME:
		for (size_t i = 0; i < length && i < 2; i++)
			net->now += (uint64_t)bytes[i] * bytes[i];
		break;
	case STREAM:
		if (length > 1)
			stream(host, bytes, length);
		break;
	default:
		tn_wg_initiate(&raw->wg, 0, net->now);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net *net = net_new();
	struct host *host = net_host(net, 1);
	struct raw *raw = net_raw(host, 3, NULL, 0, 0);
	net_listen(host, 7);
	net_bind(host, 7);
	net_settle(net);
	net_raw_handshake(raw);
	net_connect(host, raw->address4, 80);
	net_settle(net);
	raw->packet_count = 0;
	for (size_t at = 0; at + 2 <= size;) {
		uint8_t bytes[256] = {0};
		size_t length = data[at + 1];
		unsigned kind = data[at];
		at += 2;
		if (length > size - at)
			length = size - at;
		memcpy(bytes, data + at, length);
		at += length;
		act(net, host, raw, kind, bytes, length);
		net_turn(net);
		host->event_count = 0;
		raw->packet_count = 0;
	}
	net_turn(net);
	net_free(net);
	return 0;
}
