/*
 * The records that cross between the VM thread and the tunnel thread: commands in, events out. The same bytes are written by
 * modules/tunnel/records.ts. Integers are little-endian and unaligned; addresses are 16 bytes (IPv4 as ::ffff:a.b.c.d); an
 * endpoint is address 16 + port 2 (big-endian, as in DISCO). A handle is slot | generation << 16; a stale generation is ignored.
 *
 *   offset 0   u8   type
 *   offset 1   u8   flags of the type
 *   offset 2   u16  a 16-bit argument of the type (region, port), else 0
 *   offset 4   ...  as below
 */
#ifndef TN_RECORDS_H
#define TN_RECORDS_H

#define TN_RECORD_HEAD 4

enum tn_command {
	/* 16-bit: UDP port to try first (0: any).
	 * 4: private node key 32, disco public key 32 (ours), v4 4 (0 = none), v6 16 (0 = none), PeerAPI port v4 2, v6 2, clock: u64 unix
	 * milliseconds that TAI64N starts from, u64 unix seconds it must not pass (tn_clock). flags: bit 0 shields up.
	 * First record given to the constructor. Sent again: a changed node key zeroes every session; changed addresses readdress the netif. */
	TN_COMMAND_IDENTITY = 1,
	/* 4: a compiled filter block (tn_filter.h), or nothing: block everything. flags: bit 0 shields up. */
	TN_COMMAND_FILTER = 2,
	/* flags: bit 0 jailed, bit 1 a session of an earlier run comes with it. 16-bit: home DERP region (0 none).
	 * 4: handle u32, public key 32, v4 masquerade 4, v6 masquerade 16 (our address towards this peer, 0 = none),
	 * capability count u16, prefix count u16, then u16 capability ids, then prefixes: address 16, bits u8 (v4: 96..128), flags u8 (bit 0: a single address of the peer itself).
	 * With bit 1, after the prefixes: endpoint 18 (zero port: none), which is not trusted yet, session 96 (tn_wireguard.h), with its age of now. Both are ignored when
	 * the peer has a session.
	 * Creates the peer in its slot or, same public key, replaces its prefixes and keeps the session. */
	TN_COMMAND_PEER = 3,
	/* 4: handle u32. Erases everything of the peer. */
	TN_COMMAND_PEER_REMOVE = 4,
	/* 16-bit: home DERP region. 4: handle u32, endpoint 18 (zero port: none), pad 2, trusted until u64 (monotonic ms). */
	TN_COMMAND_PATH = 5,
	/* 4: endpoint 18, datagram. STUN, DISCO and questions about port mappings leave by the same sockets as WireGuard. */
	TN_COMMAND_UDP_SEND_RAW = 6,
	/* 16-bit: region. 4: destination node key 32, packet (DISCO). */
	TN_COMMAND_DERP_SEND = 7,
	/* 16-bit: region. flags: bit 0 the connection is open now, else it is gone (routes learned on it are forgotten). */
	TN_COMMAND_DERP_STATE = 8,
	/* 16-bit: region. 4: node key 32. PeerGone: forget the route learned for that key on that region. */
	TN_COMMAND_DERP_GONE = 9,
	/* 4: a whole IP packet of ours (TSMP ping, diagnostic echo); routed like any other. */
	TN_COMMAND_INJECT = 10,
	/* 16-bit: port wanted. Closes and reopens the UDP sockets; sessions stay. */
	TN_COMMAND_REBIND = 11,
	/* 4: u64 unix ms (trusted time), u64 unix seconds bound. See tn_clock in tn_wireguard.h. */
	TN_COMMAND_CLOCK = 12,
	/* 4: handle u32. The peer restarted (disco key changed): erase its sessions, the next packet starts a handshake. */
	TN_COMMAND_SESSION_DROP = 13,

	/* 4: prefixes, 18 bytes each: address 16, bits u8 (v4: 96..128), pad. The subnets that control has given us to forward to, instead of those before.
	 * Nothing happens where the core was built without (TN_SUBNET). */
	TN_COMMAND_SUBNETS = 14,

	/* Nothing leaves or is taken in from now on; the sessions are told by TN_EVENT_SUSPENDED. */
	TN_COMMAND_SUSPEND = 15,

	/* Sockets. 16-bit: port (remote for connect, local for listen and bind). flags: bit 0 nodelay. */
	TN_COMMAND_TCP_CONNECT = 32, /* 4: socket u32, address 16 */
	TN_COMMAND_TCP_LISTEN = 33,  /* 4: socket u32 */
	TN_COMMAND_UDP_BIND = 34,    /* 4: socket u32. flags bit 0: on the network below the tailnet, on a port of its own */
	TN_COMMAND_UDP_SEND = 35,    /* 4: socket u32, address 16, payload; 16-bit: remote port */
	TN_COMMAND_SOCKET_CLOSE =
	    36, /* 4: socket u32. flags bit 0: abort (RST); else bytes in the send ring leave first, then FIN. The handle is dead at once for the VM. */
};

enum tn_event {
	TN_EVENT_STUN = 1,       /* 4: endpoint 18, datagram */
	TN_EVENT_DISCO = 2,      /* 4: endpoint 18, datagram */
	TN_EVENT_DERP_DISCO = 3, /* 16-bit: region. 4: source node key 32, packet */
	TN_EVENT_PEER_WANTED =
	    4, /* flags 0: a packet for an address nobody is configured for; 4: address 16. flags 1: an initiation from an unknown static key; 4: public key 32.
	                              flags 2: a DERP packet from an unknown source key; 4: public key 32 */
	TN_EVENT_ACTIVITY =
	    5, /* flags: bit 0 sent to, bit 1 received from (authenticated), bit 2 received over DERP. 16-bit: that region. 4: handle u32, u64 bytes sent, u64 bytes received.
	                              At most once a second a peer, but at once when it sends without a trusted path for the first time in a second. */
	TN_EVENT_PEER_IDLE = 6,  /* 4: handle u32: 540 s without a new session; its slot may be freed */
	TN_EVENT_DERP_READY = 7, /* 16-bit: region: frames are queued (derpSend), or a connection is wanted */
	TN_EVENT_TSMP = 8,       /* 4: handle u32, source address 16, TSMP payload (pong, disco advertisement, unmatched reject) */
	TN_EVENT_ECHO_REPLY = 9, /* 4: handle u32, source address 16, id u16, sequence u16 (as in the packet, big-endian) */
	TN_EVENT_SESSION = 10,   /* flags: bit 0 we initiated. 4: handle u32 */
	TN_EVENT_UDP_ERROR = 11, /* flags: 1 unreachable (4: endpoint 18), 2 socket dead (rebind wanted) */
	TN_EVENT_MAPPING = 12,   /* 4: endpoint 18, datagram: an answer about port mappings (tn_classify_is_mapping) */
	TN_EVENT_LINK = 13,      /* an address or a route of this machine may have changed */
	TN_EVENT_SUSPENDED = 14, /* flags 0, 4: handle u32, session 96 (tn_wireguard.h); wiped as soon as it is read. flags 1: there are no more */

	TN_EVENT_CONNECTED = 32, /* 4: socket u32 */
	TN_EVENT_READABLE = 33,  /* 4: socket u32, u32 bytes in the receive ring */
	TN_EVENT_WRITABLE = 34,  /* 4: socket u32, u32 free bytes in the send ring */
	TN_EVENT_CLOSED = 35,    /* flags: enum tn_close. 4: socket u32. After it nothing more comes; bytes in the receive ring stay readable until SOCKET_CLOSE. */
	TN_EVENT_ACCEPTED = 36,  /* 16-bit: remote port. 4: listener u32, new socket u32, remote address 16, local address 16 */
	TN_EVENT_UDP_RECEIVED = 37, /* 16-bit: remote port. 4: socket u32, address 16, payload */
};

enum tn_close {
	TN_CLOSE_REMOTE = 0, /* orderly FIN */
	TN_CLOSE_RESET = 1,
	TN_CLOSE_TIMEOUT = 2,
	TN_CLOSE_REFUSED = 3,  /* RST to our SYN */
	TN_CLOSE_POLICY = 4,   /* TSMP reject: the peer's rules */
	TN_CLOSE_NO_ROUTE = 5, /* no peer owns that address */
	TN_CLOSE_IN_USE = 6,   /* port taken */
	TN_CLOSE_FULL = 7,     /* pool exhausted */
};

#endif
