/*
 * Fuzz target: TCP between a node and a peer that knows the sequence numbers and keeps to none of the rules: data anywhere, acknowledgements of anything, any
 * window, FIN, RST and SYN at any moment, while the VM writes, reads, opens and closes. lwIP's queues must stay in order, and in the end nothing may be left.
 *
 * The input is a list of actions of four bytes: what, and three arguments. The node lives on from one input to the next, since nothing is left of any.
 */
#define TN_TEST_NO_MAIN
#define NET_WIRE 256
#define NET_EVENTS 64
#include "tn_net.h"

#define CONNECTIONS 4
#define FIRST_PORT 2000
#define ACTIONS_MAX 300

enum action {
	DATA, /* offset, length, acknowledgement */
	ACKNOWLEDGE,
	FINISH,
	RESET,
	OPEN,
	CONNECT, /* from our side; its SYN is answered by DATA and the like, or not */
	WRITE,
	READ,
	CLOSE,
	TIME,
	ACTIONS,
};

/** What the peer knows of a connection of its. */
struct known {
	uint16_t own_port, host_port;
	uint32_t next;  /* the host's next byte, as far as the peer has seen */
	uint32_t taken; /* what the host acknowledged last */
	uint16_t window;
	bool is_scaled;
};

static struct net *net;
static struct host *host;
static struct raw *raw;
static struct known known[CONNECTIONS];
static uint32_t handles[16];
static size_t handle_count;

static void oracle(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

static void send_segment(const struct known *to, uint32_t sequence, uint32_t acknowledged, uint8_t flags, size_t length)
{
	uint8_t packet[2048], payload[1240 + 8] = {0};
	size_t options = (flags & TN_TCP_SYN) != 0 ? 8 : 0;
	if (options > 0)
		memcpy(payload, ((const uint8_t[8]){2, 4, 1240 >> 8, 1240 & 255, 1, 3, 3, 2}), 8);
	size_t total = net_tcp(packet, raw->address4, host->address4, to->own_port, to->host_port, sequence, acknowledged, flags, payload, length + options);
	packet[32] = (uint8_t)(options > 0 && to->is_scaled ? 0x70 : options > 0 ? 0x60 : 0x50);
	if (options > 0 && !to->is_scaled)
		memset(packet + 44, 0, 4);
	tn_store16be(packet + 34, to->window);
	tn_store16be(packet + 36, 0);
	tn_checksum_fill(packet, total);
	if (tn_wg_has_session(&raw->wg, 0, net->now))
		net_raw_packet(raw, packet, total);
}

/** Looks at what the host said, and takes up connections that it opens. */
static void listen_to_host(void)
{
	for (size_t i = 0; i < raw->packet_count; i++) {
		const uint8_t *bytes = raw->packets[i].bytes;
		struct tn_packet packet;
		tn_packet_parse(&packet, bytes, raw->packets[i].length);
		oracle(packet.protocol != TN_PROTOCOL_TCP ||
		           tn_checksum_transport(4, packet.source, packet.destination, TN_PROTOCOL_TCP, bytes + 20, packet.length - 20) == 0,
		       "every checksum is right");
		for (size_t j = 0; packet.protocol == TN_PROTOCOL_TCP && j < CONNECTIONS; j++) {
			struct known *connection = &known[j];
			bool is_new = j == CONNECTIONS - 1 && packet.tcp_flags == TN_TCP_SYN;
			if (is_new)
				*connection = (struct known){packet.destination_port, packet.source_port, tn_load32be(bytes + 24), 5000, 60000, true};
			if (packet.destination_port != connection->own_port || packet.source_port != connection->host_port)
				continue;
			uint32_t length = (uint32_t)packet.length - 20u - (bytes[32] >> 4) * 4u + ((packet.tcp_flags & (TN_TCP_SYN | TN_TCP_FIN)) != 0);
			uint32_t end = tn_load32be(bytes + 24) + length;
			if ((int32_t)(end - connection->next) > 0 || (packet.tcp_flags & TN_TCP_SYN) != 0)
				connection->next = end;
			if ((packet.tcp_flags & TN_TCP_ACK) != 0)
				connection->taken = tn_load32be(bytes + 28);
		}
	}
	raw->packet_count = 0;
}

static uint32_t sequence_of(const struct tcp_seg *segment)
{
	return lwip_ntohl(segment->tcphdr->seqno);
}

/** Segments of a queue lie one behind the other. @return their pbufs */
static unsigned check_queue(const struct tcp_seg *segment, const char *what)
{
	unsigned count = 0;
	for (; segment != NULL; segment = segment->next) {
		count += pbuf_clen(segment->p);
		oracle(segment->next == NULL || (int32_t)(sequence_of(segment->next) - sequence_of(segment)) > 0, what);
		oracle(segment->next == NULL || (int32_t)(sequence_of(segment->next) - sequence_of(segment) - segment->len) >= 0, what);
	}
	return count;
}

static void check_connections(void)
{
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
		unsigned queued = check_queue(pcb->unacked, "what was sent is in order") + check_queue(pcb->unsent, "what is to be sent is in order");
		oracle(queued == pcb->snd_queuelen, "lwIP knows the length of its queues");
		oracle(pcb->persist_backoff == 0 || pcb->unacked == NULL, "a closed window is probed when nothing is on its way");
		oracle(pcb->refused_data == NULL, "nothing is refused");
	}
	oracle(host->node->interface.leaked == 0, "lwIP gives every buffer back");
}

static void act(unsigned kind, const uint8_t argument[3])
{
	struct known *connection = &known[argument[0] % CONNECTIONS];
	uint8_t piece[4096] = {0};
	uint32_t handle = handle_count > 0 ? handles[argument[0] % handle_count] : 0;
	/* Right more often than not. */
	uint32_t sequence = connection->taken + (argument[1] < 128 ? 0 : (uint32_t)(argument[1] - 160) * 97);
	uint32_t acknowledged = connection->next - (argument[2] < 128 ? 0 : (uint32_t)(argument[2] - 140) * 311);
	switch (kind % ACTIONS) {
	case DATA:
		send_segment(connection, sequence, acknowledged, TN_TCP_ACK, 1 + (argument[2] * 37u) % 1240);
		break;
	case ACKNOWLEDGE:
		connection->window = (uint16_t)(argument[1] % 4 == 0 ? 0 : argument[1] % 4 == 1 ? argument[1] : argument[1] * 257);
		send_segment(connection, connection->taken, acknowledged, TN_TCP_ACK, 0);
		break;
	case FINISH:
		send_segment(connection, sequence, acknowledged, TN_TCP_ACK | TN_TCP_FIN, argument[2] % 2 == 0 ? 0 : argument[2]);
		break;
	case RESET:
		send_segment(connection, sequence, acknowledged, TN_TCP_RST | (argument[2] % 2 == 0 ? TN_TCP_ACK : 0), 0);
		break;
	case OPEN:
		*connection = (struct known){(uint16_t)(FIRST_PORT + argument[1] % 8), 7, 0, 1000, (uint16_t)(argument[2] * 257), argument[2] % 2 == 0};
		send_segment(connection, 999, 0, TN_TCP_SYN, 0);
		net_turn(net);
		listen_to_host();
		if (argument[2] % 3 != 0)
			send_segment(connection, 1000, connection->next, TN_TCP_ACK, 0);
		break;
	case CONNECT:
		if (handle_count < 16)
			handles[handle_count++] = net_connect(host, raw->address4, 80);
		net_turn(net);
		listen_to_host();
		if (argument[1] % 2 == 0)
			send_segment(&known[CONNECTIONS - 1], 4999, known[CONNECTIONS - 1].next, TN_TCP_SYN | TN_TCP_ACK, 0);
		break;
	case WRITE:
		tn_node_vm_write(host->node, handle, piece, argument[1] * 16u + 1);
		break;
	case READ:
		tn_node_vm_read(host->node, handle, piece, argument[1] * 16u + 1);
		break;
	case CLOSE:
		if (handle_count == 0 || argument[1] % 4 != 0)
			break;
		net_handle_command(host, TN_COMMAND_SOCKET_CLOSE, handle, argument[2] % 2, 0);
		handles[argument[0] % handle_count] = handles[handle_count - 1];
		handle_count--;
		break;
	default:
		net->now += (uint64_t)argument[1] * argument[2];
		break;
	}
}

static void take_accepted(void)
{
	for (size_t i = 0; i < host->event_count; i++) {
		if (host->events[i].bytes[0] != TN_EVENT_ACCEPTED)
			continue;
		if (handle_count < 16)
			handles[handle_count++] = tn_load32le(host->events[i].bytes + 8);
		else
			net_handle_command(host, TN_COMMAND_SOCKET_CLOSE, tn_load32le(host->events[i].bytes + 8), 1, 0);
	}
	host->event_count = 0;
}

/** A node that listens, and a peer with a session. */
static void begin(void)
{
	if (net == NULL) {
		net = net_new();
		host = net_host(net, 1);
		raw = net_raw(host, 3, NULL, 0, 0);
		net_listen(host, 7);
		net_settle(net);
	}
	net->now += 10000; /* since the last handshake */
	memset(known, 0, sizeof known);
	handle_count = 0;
	tn_wg_initiate(&raw->wg, 0, net->now);
	net_settle(net);
	host->event_count = 0;
	raw->packet_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin();
	for (size_t i = 0; i < ACTIONS_MAX && size >= 4; i++, data += 4, size -= 4) {
		act(data[0], data + 1);
		net_turn(net);
		net_turn(net);
		listen_to_host();
		take_accepted();
		check_connections();
	}
	/* The VM lets go of everything; whatever the peer was about, nothing is left in the end. */
	while (handle_count > 0)
		net_handle_command(host, TN_COMMAND_SOCKET_CLOSE, handles[--handle_count], 0, 0);
	for (unsigned i = 0; i < 3000 && (tcp_active_pcbs != NULL || net_counter(host, "socketsUsed") > 1); i++) {
		net->now += 500;
		net_turn(net);
		take_accepted();
		while (handle_count > 0)
			net_handle_command(host, TN_COMMAND_SOCKET_CLOSE, handles[--handle_count], 0, 0);
		raw->packet_count = 0;
		check_connections();
	}
	oracle(tcp_active_pcbs == NULL && net_counter(host, "socketsUsed") == 1, "nothing is left of connections that were let go of");
	while (tcp_tw_pcbs != NULL)
		tcp_abort(tcp_tw_pcbs);
	return 0;
}
