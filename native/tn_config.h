/*
 * Every pool of the native core, with its size and what happens when it is full. Two profiles: TN_DEVICE (a microcontroller) and, without it,
 * a desktop. A build may override each number, an app those of tn_defines.h.
 *
 *   pool                       when full
 *   peers                      the VM picks handles; it evicts the least recently used
 *   routes (prefixes)          further prefixes of that peer are left out, a counter goes up
 *   sockets                    openSocket gives 0; an incoming connection's SYN is dropped (the peer repeats it)
 *   half-open connections      the SYN is dropped
 *   stream rings               back pressure: the TCP window closes; writes are taken in part
 *   datagram ring of a socket  the datagram that came last is dropped
 *   flows of subnet routes     a datagram flow that is silent longest gives way; a connection is refused (RST)
 *   staged packets of a peer   the oldest is dropped
 *   waiting packets            the address that waits longest gives way
 *   commands                   send() says no, the caller tries again
 *   events                     the event is dropped, one that anybody may cause by half of the ring; socket events are flags and never lost
 *   DERP queues                the oldest packet of the same kind is dropped
 *   value of a map message     it is left out, which health tells
 *   packets for lwIP           the stack is visited before the next
 *   packets of lwIP            the packet is dropped, lwIP repeats it
 */
#ifndef TN_CONFIG_H
#define TN_CONFIG_H

#ifdef ESP_PLATFORM
#include "sdkconfig.h"
#ifndef TN_DEVICE
#define TN_DEVICE
#endif
/** TCP window of the board's lwIP. */
#define TN_BOARD_WINDOW CONFIG_LWIP_TCP_WND_DEFAULT
#else
#define TN_BOARD_WINDOW 0
#endif

#include "tn_defines.h"

#ifdef TN_DEVICE
#define TN_PROFILE(device, desktop) (device)
#else
#define TN_PROFILE(device, desktop) (desktop)
#endif

/** The least power of two that is n or more, from 2 to 65,536. */
#define TN_POWER_2(n, power) ((n) <= (power) ? (power) : (n) <= 2 * (power) ? 2 * (power) : (n) <= 4 * (power) ? 4 * (power) : 8 * (power))
#define TN_POWER_OF_TWO(n) ((n) <= 16 ? TN_POWER_2(n, 2) : (n) <= 256 ? TN_POWER_2(n, 32) : (n) <= 4096 ? TN_POWER_2(n, 512) : TN_POWER_2(n, 8192))
#define TN_IS_POWER_OF_TWO(n) ((n) > 0 && ((n) & ((n)-1)) == 0)

/**
 * Whether there is IPv6 inside the tunnel. Without: our IPv6 address is not used, packets of that family are unknown, and lwIP may be one without it. On a board
 * whose lwIP is one without it there is none, whatever the app wants; its host tells so.
 */
#ifndef TN_IPV6
#define TN_IPV6 1
#endif
#if TN_IPV6 && defined(ESP_PLATFORM) && !defined(CONFIG_LWIP_IPV6)
#undef TN_IPV6
#define TN_IPV6 0
#define TN_LACKS_IPV6 1
#else
#define TN_LACKS_IPV6 0
#endif

/** Whether subnet routes that we offer are served (tn_subnet.h), the flows of all peers together, and the prefixes. */
#ifndef TN_SUBNET
#define TN_SUBNET TN_PROFILE(0, 1)
#endif
#ifndef TN_SUBNET_FLOWS
#define TN_SUBNET_FLOWS TN_PROFILE(8, 256)
#endif
#define TN_SUBNETS TN_PROFILE(4, 64)

/** MTU of the tunnel, both families. protocol/tunnel.md §3.4 */
#define TN_MTU 1280

/** Largest inner packet taken from a peer; above it a packet is dropped. Its datagram must fit a receive buffer. */
#ifndef TN_PACKET_MAX
#define TN_PACKET_MAX TN_PROFILE(2000, 9000)
#endif

#ifndef TN_PEERS
#define TN_PEERS TN_PROFILE(16, 256)
#endif

/** Prefixes of all configured peers together, and their hash chains, a power of two. */
#ifndef TN_ROUTES
#define TN_ROUTES TN_PROFILE(64, 8192)
#endif
#ifndef TN_ROUTE_HEADS
#define TN_ROUTE_HEADS TN_POWER_OF_TWO(TN_ROUTES)
#endif

/** Capability ids kept for each peer, for the filter. */
#ifndef TN_PEER_CAPABILITIES
#define TN_PEER_CAPABILITIES TN_PROFILE(8, 64)
#endif

/** Sockets of every kind: connections, listeners, datagram sockets. */
#ifndef TN_SOCKETS
#define TN_SOCKETS TN_PROFILE(16, 1024)
#endif

/** Incoming connections whose handshake is not complete. */
#ifndef TN_HALF_OPEN
#define TN_HALF_OPEN TN_PROFILE(4, 64)
#endif

/** Those of one address: somebody who begins and never completes leaves room for others, also by both families where there is enough. */
#define TN_HALF_OPEN_EACH (TN_HALF_OPEN == 1 ? 1 : TN_HALF_OPEN <= 4 ? TN_HALF_OPEN - 1 : (TN_HALF_OPEN - 1) / 2)

/** Bytes of a stream's rings; powers of two, the receive ring at least lwIP's TCP_WND, which a board's sdkconfig may have raised. */
#ifndef TN_STREAM_SEND
#define TN_STREAM_SEND TN_PROFILE(4096, 262144)
#endif
#ifndef TN_STREAM_RECEIVE
#define TN_STREAM_RECEIVE TN_PROFILE(TN_BOARD_WINDOW <= 8192 ? 8192 : TN_POWER_OF_TWO(TN_BOARD_WINDOW), 524288)
#endif

/**
 * TCP windows (tn_window.h): bytes that a peer may send ahead, at most 65,535 shifted by the scale, and half the receive ring, or every read would wake the tunnel;
 * bytes of ours that may be unacknowledged. A device keeps what its lwIP was built with.
 */
#ifndef TN_STREAM_WINDOW
#define TN_STREAM_WINDOW TN_PROFILE(0, 262140)
#define TN_STREAM_SCALE TN_PROFILE(0, 2)
#define TN_STREAM_UNACKED TN_PROFILE(0, 262144)
#endif

/** Bytes of a datagram socket's receive ring; a power of two. */
#ifndef TN_DATAGRAM_RECEIVE
#define TN_DATAGRAM_RECEIVE TN_PROFILE(4096, 262144)
#endif

/** Packets of a peer that wait for a session, and the packets that all peers together may have waiting. */
#ifndef TN_STAGED_PER_PEER
#define TN_STAGED_PER_PEER TN_PROFILE(4, 64)
#endif
#ifndef TN_STAGED
#define TN_STAGED TN_PROFILE(8, 512)
#endif

/** Addresses that nobody is configured for and for which a packet waits. */
/** Packets that wait for one address, at most: several connections may be opened at once. */
#define TN_WAITING_PER_ADDRESS TN_PROFILE(2, 8)
#ifndef TN_WAITING
#define TN_WAITING TN_PROFILE(4, 32)
#endif

/** Bytes of the ring of commands (VM to tunnel), of events (back) and of packets from DERP; powers of two. */
#ifndef TN_COMMAND_RING
#define TN_COMMAND_RING TN_PROFILE(4096, 1048576)
#endif
#ifndef TN_EVENT_RING
#define TN_EVENT_RING TN_PROFILE(4096, 262144)
#endif
/** Events that the VM is told before it has to be woken again, so that a flood does not keep it from everything else. */
#ifndef TN_EVENTS_PER_WAKE
#define TN_EVENTS_PER_WAKE TN_PROFILE(32, 1024)
#endif
#ifndef TN_DERP_RING
#define TN_DERP_RING TN_PROFILE(8192, 1048576)
#endif

/** DERP regions that can be in use at once. */
#ifndef TN_REGIONS
#define TN_REGIONS TN_PROFILE(3, 16)
#endif

/** Packets queued for a region: DISCO; data while its connection is not open; data while it is. */
#define TN_DERP_QUEUE_DISCO 32
#define TN_DERP_QUEUE_CLOSED 32
#ifndef TN_DERP_QUEUE_OPEN
#define TN_DERP_QUEUE_OPEN TN_PROFILE(32, 512)
#endif
/** Bytes of frames behind those packets. */
#ifndef TN_DERP_QUEUE_BYTES
#define TN_DERP_QUEUE_BYTES TN_PROFILE(8192, 720896)
#endif
#ifndef TN_DERP_QUEUE_DISCO_BYTES
#define TN_DERP_QUEUE_DISCO_BYTES TN_PROFILE(2048, 16384)
#endif

/** Bytes collected in a turn before they are handed to the host; at least one datagram of the largest size. */
#ifndef TN_OUT_BYTES
#define TN_OUT_BYTES TN_PROFILE(4096, 262144)
#endif
#ifndef TN_OUT_RUNS
#define TN_OUT_RUNS TN_PROFILE(4, 128)
#endif

/**
 * Segments of one connection that are handed to lwIP as one; 1: no coalescing. What such a run makes lwIP say (an acknowledgement) leaves before the next is
 * taken in, so that the sender works while we do. More would make both wait for each other: a window has some 100 segments.
 */
#ifndef TN_COALESCE
#define TN_COALESCE TN_PROFILE(1, 32)
#endif

/**
 * Flows that the filter remembers, twice: a second table is for jailed peers (protocol/filter.md §4). Upstream keeps 512. Fewer lose no safety: an evicted flow
 * falls back to the rules. At least UDP sockets times remote peers. The number of hash chains is a power of two.
 */
#ifndef TN_FLOWS_MAX
#define TN_FLOWS_MAX TN_PROFILE(64, 512)
#endif
#ifndef TN_FLOWS_BUCKETS
#define TN_FLOWS_BUCKETS TN_POWER_OF_TWO(TN_FLOWS_MAX)
#endif

/** Replay window of a keypair: blocks of 64 bits, a power of two. 128 are 1 KiB a keypair (the official node's window), 32 are 256 bytes. */
#ifndef TN_REPLAY_BLOCKS
#define TN_REPLAY_BLOCKS TN_PROFILE(32, 128)
#endif

/**
 * Handshakes under load. One costs up to five X25519: 0.2 ms on a desktop, 25 to 100 ms on a device. "Under load" begins when more initiations with a right mac1
 * came in a second than TN_WG_LOAD; then a cookie is demanded and each source has a rate of its own. Whatever the senders do, no more than TN_WG_BUDGET initiations
 * (and as many responses) a second reach X25519.
 */
#ifndef TN_WG_LOAD
#define TN_WG_LOAD TN_PROFILE(8, 100)
#endif
#ifndef TN_WG_BUDGET
#define TN_WG_BUDGET TN_PROFILE(16, 300)
#endif
/** Initiations a second of one source under load, and at once: a part of the budget, so that one that answers cookies does not take it all. */
#ifndef TN_WG_SOURCE_RATE
#define TN_WG_SOURCE_RATE TN_PROFILE(3, 20)
#define TN_WG_SOURCE_BURST TN_PROFILE(3, 5)
#endif
/** Sources that a limit of rate tells apart; a power of two. */
#ifndef TN_SOURCES
#define TN_SOURCES TN_PROFILE(16, 256)
#endif
/** DISCO packets a second of one source that the owner hears of, and at once: each wakes it. A peer that probes every path sends some dozens. */
#ifndef TN_DISCO_RATE
#define TN_DISCO_RATE TN_PROFILE(64, 256)
#define TN_DISCO_BURST TN_PROFILE(128, 512)
#endif
/** The same of one node key behind relays, where there is one path only and nobody else sends by that key. */
#ifndef TN_DISCO_RELAYED_RATE
#define TN_DISCO_RELAYED_RATE TN_PROFILE(16, 32)
#define TN_DISCO_RELAYED_BURST TN_PROFILE(32, 64)
#endif
/** Evicted peers whose greatest timestamp is kept. */
#ifndef TN_WG_REMEMBERED
#define TN_WG_REMEMBERED TN_PROFILE(8, 64)
#endif
/** Hash chains of public keys; a power of two. */
#ifndef TN_WG_KEY_CHAINS
#define TN_WG_KEY_CHAINS TN_PROFILE(16, 256)
#endif

/** lwIP has a thread of its own (tn_crossing.h): packets for it until it is visited, and bytes of the ring of packets from it, a power of two. */
#ifndef TN_STACK_APART
#define TN_STACK_APART TN_PROFILE(1, 0)
#endif
#ifndef TN_CROSSING_IN
#define TN_CROSSING_IN 8
#endif
#ifndef TN_CROSSING_OUT
#define TN_CROSSING_OUT 16384
#endif

/** Longest value of a map message that is kept (a node without the members we do not use, say). */
#ifndef TN_MAP_BUFFER
#define TN_MAP_BUFFER TN_PROFILE(12288, 65536)
#endif

_Static_assert(TN_PEERS >= 1 && TN_PEERS <= 1024, "tailnet.peers: expected 1 to 1024");
_Static_assert(TN_ROUTES >= (TN_IPV6 ? 2 : 1) * TN_PEERS && TN_ROUTES <= 8192, "tailnet.routes: expected one for each address of each peer, to 8192");
_Static_assert(TN_FLOWS_MAX >= 8 && TN_FLOWS_MAX <= 8192, "tailnet.flows: expected 8 to 8192");
_Static_assert(TN_IS_POWER_OF_TWO(TN_REPLAY_BLOCKS) && TN_REPLAY_BLOCKS >= 2 && TN_REPLAY_BLOCKS <= 128,
               "tailnet.replayWindow: expected 128, 256, 512 ... 8192 packets");
_Static_assert(TN_SOCKETS >= 4 && TN_SOCKETS <= 1024, "tailnet.sockets: expected 4 to 1024");
_Static_assert(TN_HALF_OPEN >= 1 && TN_HALF_OPEN <= TN_SOCKETS, "tailnet.halfOpen: expected 1 to the number of sockets");
_Static_assert(TN_IS_POWER_OF_TWO(TN_STREAM_SEND) && TN_STREAM_SEND >= 1024, "tailnet.streamSend: expected 1024, 2048, 4096 ... bytes");
_Static_assert(TN_IS_POWER_OF_TWO(TN_STREAM_RECEIVE) && TN_STREAM_RECEIVE >= 2048, "tailnet.streamReceive: expected 2048, 4096, 8192 ... bytes");
_Static_assert(TN_IS_POWER_OF_TWO(TN_DATAGRAM_RECEIVE) && TN_DATAGRAM_RECEIVE >= 2048, "tailnet.datagramReceive: expected 2048, 4096, 8192 ... bytes");
_Static_assert(TN_SUBNET_FLOWS >= 2 && TN_SUBNET_FLOWS <= 1024, "tailnet.subnetFlows: expected 2 to 1024");
_Static_assert(TN_REGIONS >= 2 && TN_REGIONS <= 64, "tailnet.regions: expected 2 (the home region and one of a peer) to 64");

/** TSMP answers: pongs a second to one peer, rejects a second to all. */
#define TN_PONGS_PER_SECOND 50
#define TN_REJECTS_PER_SECOND 10

#endif
