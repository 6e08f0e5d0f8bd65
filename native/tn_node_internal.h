/*
 * What the files of a node share.
 */
#ifndef TN_NODE_INTERNAL_H
#define TN_NODE_INTERNAL_H

#include "tn_derp.h"
#include "tn_netif.h"
#include "tn_node.h"
#include "tn_records.h"
#include "tn_socket.h"
#include "tn_tunnel.h"

/* Commands that do not travel in the ring: the record holds where the memory is and how long. A filter's is the block alone. Internal to the node. */
#define TN_COMMAND_FILTER_MEMORY 64
#define TN_COMMAND_MEMORY 65

/* Head of a packet in the ring from DERP: u16 region, u16 0, node key 32. */
#define TN_DERP_RECORD_HEAD 36

/** DERP connections whose bytes the VM hands in: the parser of each. VM thread. */
struct tn_derp_reader {
	uint16_t region;
	uint32_t fed;         /* when it got bytes last, counted in feeds */
	struct tn_node *node; /* for the callback */
	struct tn_derp *parser;
};

struct tn_node {
	void *host;
	struct tn_tunnel tunnel;
	struct tn_netif interface;
	struct tn_sockets sockets;
	struct tn_events events;
	struct tn_ring commands;
	struct tn_ring derp;
	_Atomic uint32_t is_asleep;    /* tunnel thread: waits for a kick */
	_Atomic uint32_t is_woken;     /* a wake-up of the VM is on its way */
	_Atomic uint32_t want_wake;    /* the VM wants to be woken: it found the command ring full, or was told enough for once */
	_Atomic uint32_t derp_dropped; /* packets from DERP that found their ring full */
	bool is_started;
	bool was_visited;    /* the stack, in this turn */
	uint64_t stack_next; /* when lwIP's side wants the next turn */

	/* VM thread. */
	uint32_t raised[TN_SOCKET_WORDS]; /* sockets that are still to be told of in this wake */
	size_t raised_word;
	struct tn_socket *current; /* socket whose flags are being told */
	uint32_t current_flags;
	uint32_t told;      /* events since it was woken */
	uint32_t too_large; /* events larger than the VM's buffer */
	uint32_t no_memory; /* commands lost for want of memory */
	struct tn_derp_reader readers[TN_REGIONS];
	struct tn_sources disco_sources; /* node keys that send DISCO by relays */
	uint32_t disco_limited;
	uint32_t feeds;
	uint64_t fed_at; /* time of the last one, milliseconds */
	uint8_t *rest;
	size_t rest_size;
	bool derp_kick;
};

/** Tunnel thread: closes a socket of any kind; its slot is released at once or when lwIP is done. */
void tn_node_close_socket(struct tn_socket *socket, bool is_abort);

/** The memory that a command's record refers to. */
uint8_t *tn_node_memory(const uint8_t *record, size_t *length);

/** Whether a command may hold keys. */
bool tn_node_is_secret(const uint8_t *record);

/** Tunnel thread: runs work(node) where lwIP may be called. */
void tn_node_visit(struct tn_node *node, void (*work)(struct tn_node *node));

/** Whether a command calls lwIP. */
bool tn_node_is_for_stack(const uint8_t *record);

/** Tunnel thread: does one command record that is not for the stack. */
void tn_node_command(struct tn_node *node, const uint8_t *record, size_t length);

/** In a visit of the stack: does one command record that is for it. No cipher and no curve is reached from here. */
void tn_node_stack_command(struct tn_node *node, const uint8_t *record, size_t length);

#endif
