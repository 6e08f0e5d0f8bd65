/*
 * Between the tunnel and an lwIP that has a thread of its own (TN_STACK_APART): packets in both directions, and the rule who touches what.
 *
 *   in    what the tunnel has decrypted, where it lies, until the stack is visited: lwIP takes it in there (tn_port_stack)
 *   out   what lwIP sends, copied into a ring: in a visit, or by lwIP's own timers at any time. The tunnel encrypts it after the visit
 *
 * Everything of native/ that calls lwIP or is called by it (tn_netif, tn_stream, tn_listener, tn_datagram and what they use) runs on lwIP's thread: in
 * visits, while the tunnel thread waits and what it owns may be read, or from lwIP's timers, where only sockets, flags and this ring are touched. No
 * cipher and no curve runs there: its stack is small and everything else of the device waits for it.
 */
#ifndef TN_CROSSING_H
#define TN_CROSSING_H

#include "tn_config.h"
#include "tn_packet.h"
#include "tn_ring.h"
#include "tn_tsmp.h"

/** A packet that waits for the next visit. */
struct tn_crossing_packet {
	uint8_t *bytes; /* NULL: a peer refuses a connection */
	struct tn_packet packet;
	uint16_t remote_port, local_port; /* of the refused connection */
};

struct tn_crossing {
	struct tn_crossing_packet in[TN_CROSSING_IN];
	unsigned count;
	struct tn_ring out;
	_Atomic uint32_t is_visiting;
	uint32_t dropped; /* packets of lwIP that found the ring full: it repeats what matters */
};

#endif
