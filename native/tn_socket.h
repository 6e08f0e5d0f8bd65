/*
 * The sockets of one node: a table whose slots the VM names by handles (slot | generation << 16), and how the two threads tell each other about them.
 *
 * A slot is taken by the VM (tn_node_vm_open) or, for an incoming connection, by the tunnel thread. From then on it is the VM's, until the VM closes
 * it; the tunnel thread frees it when lwIP is done with it. What happened to a socket is a set of flags that are raised and lowered, so nothing is
 * lost however slow the VM is; two bit maps say which sockets are to be looked at.
 *
 *   tunnel -> VM    flags, raised     connected, readable, writable, closed, accepted
 *   VM -> tunnel    touched           bytes were put into the send ring, or taken from the receive ring
 */
#ifndef TN_SOCKET_H
#define TN_SOCKET_H

#include "tn_config.h"
#include "tn_events.h"
#include "tn_recovery.h"
#include "tn_ring.h"

enum tn_socket_flag {
	TN_SOCKET_ACCEPTED = 1,
	TN_SOCKET_CONNECTED = 2,
	TN_SOCKET_READABLE = 4,
	TN_SOCKET_WRITABLE = 8,
	TN_SOCKET_CLOSED = 16,
};

enum tn_socket_kind {
	TN_SOCKET_NONE = 0, /* taken, no command yet */
	TN_SOCKET_STREAM = 1,
	TN_SOCKET_LISTENER = 2,
	TN_SOCKET_DATAGRAM = 3,
};

/* Words of the maps; of 32 bits, since few microcontrollers have larger atomics. */
#define TN_SOCKET_WORDS ((TN_SOCKETS + 31) / 32)

struct tcp_pcb;
struct udp_pcb;
struct tn_outside;
struct tn_forward;

struct tn_socket {
	_Atomic uint32_t taken;
	_Atomic uint32_t generation; /* 1..65535 */
	_Atomic uint32_t flags;      /* enum tn_socket_flag, not seen by the VM yet */
	struct tn_ring send, receive;

	/* Written by the tunnel thread before the flag that tells of them. */
	uint8_t close_reason; /* enum tn_close */
	uint16_t local_port, remote_port;
	uint32_t listener; /* handle */
	uint8_t remote_address[16], local_address[16];

	/* VM thread. */
	bool vm_open;      /* the VM may name it */
	bool vm_connected; /* the rings may be used */

	/* Tunnel thread. */
	struct tn_sockets *table;
	enum tn_socket_kind kind;
	bool is_connected, is_closing, is_told_closed;
	bool no_delay : 1, is_ended : 1, is_end_sent : 1; /* streams */
	bool is_outside : 1;                              /* a datagram socket of the network below the tailnet */
	struct tcp_pcb *stream;
	union {
		struct tcp_pcb *listeners[2]; /* IPv4, IPv6 */
		struct udp_pcb *datagrams[2];
		struct tn_outside *outside[2];
		struct tn_forward *flow; /* a stream of a subnet route: this is told, not the VM */
	};
	uint8_t *memory;        /* both rings */
	uint32_t queued;        /* bytes of the send ring that lwIP refers to */
	uint32_t unread;        /* bytes received that the window was not opened for yet */
	uint32_t delivered;     /* sequence number up to which lwIP handed bytes over */
	uint32_t told_writable; /* position of the VM in the send ring when it was told last that half of it is free */
	uint32_t told_empty;    /* and that all of it is */
	uint32_t dropped;       /* datagrams */
	uint64_t let_go_at;     /* a closing stream: when the VM let go of it, */
	uint64_t moved_at;      /* and when the peer acknowledged something last */
	uint32_t moved_to;      /* up to here */
	struct tn_recovery recovery;
};

/** What streams and datagram sockets count. */
struct tn_socket_counters {
	uint32_t accepted, connected, refused_full, refused_half_open, datagrams_dropped, no_memory, overruns;
};

struct tn_netif;

struct tn_sockets {
	struct tn_events *events;
	struct tn_netif *netif;
	struct tn_socket_counters counters;
	_Atomic uint32_t used;
	uint32_t next; /* VM thread: where the search for a free slot begins */
	_Atomic uint32_t raised[TN_SOCKET_WORDS];
	_Atomic uint32_t touched[TN_SOCKET_WORDS];
	uint8_t *spare; /* ring memory of a closed stream, for the next one; only a board keeps it */
	struct tn_socket slots[TN_SOCKETS];
};

void tn_sockets_init(struct tn_sockets *table, struct tn_events *events, struct tn_netif *netif);

/** Gives all ring memory back. Every socket was closed before. */
void tn_sockets_free(struct tn_sockets *table);

/** Either thread: takes a free slot. @return NULL when there is none */
struct tn_socket *tn_socket_take(struct tn_sockets *table);

/** Tunnel thread: gives a slot back; its handle is dead. */
void tn_socket_release(struct tn_socket *socket);

/** The socket of a handle, or NULL. */
struct tn_socket *tn_socket_find(struct tn_sockets *table, uint32_t handle);

uint32_t tn_socket_handle(const struct tn_socket *socket);

/** Tunnel thread: tells the VM. */
void tn_socket_raise(struct tn_socket *socket, uint32_t flags);

/** Tunnel thread: tells the VM that the socket is closed, the first time. */
void tn_socket_raise_closed(struct tn_socket *socket, uint8_t reason);

/** VM thread: the tunnel shall look at the socket. */
void tn_socket_touch(struct tn_socket *socket);

/** Tunnel thread: ring memory of size bytes for a stream. @return NULL when memory is short */
uint8_t *tn_socket_memory(struct tn_sockets *table);

/** Tunnel thread: whether so many streams would be given memory now. What the next one takes is set aside. */
bool tn_socket_has_memory(struct tn_sockets *table, unsigned streams);

/** Removes and returns the lowest bit of a map's word, as a slot number; -1 when the word is empty. */
int tn_socket_next(uint32_t *word, size_t index);

#endif
