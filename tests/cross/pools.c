/*
 * The sizes of the core's pools as the cross compiler lays them out: one object of that many bytes each, whose name says which. figures.js reads the names and
 * sizes from the object file; nothing is linked. A pool "node_..." is a part of struct tn_node, one a node.
 */
#include "tn_coalesce.h"
#include "tn_config.h"
#include "tn_derp.h"
#include "tn_json.h"
#include "tn_node_internal.h"

#define PART(structure, member) sizeof(((struct structure *)0)->member)
#define POOL(name, bytes)                                                                                                                                      \
	extern char pool_##name[bytes];                                                                                                                            \
	char pool_##name[bytes]

POOL(node, sizeof(struct tn_node));
POOL(node_peers, PART(tn_tunnel, peers) + PART(tn_tunnel, wg_peers) + PART(tn_tunnel, wg_indices));
POOL(node_wireguard, PART(tn_tunnel, wg));
POOL(node_routes, PART(tn_tunnel, routes) + PART(tn_tunnel, route_table) + PART(tn_tunnel, route_heads));
POOL(node_flows, PART(tn_tunnel, flows) + PART(tn_tunnel, jailed_flows));
POOL(node_staged_packets, PART(tn_tunnel, staged));
POOL(node_waiting_packets, PART(tn_tunnel, waiting));
POOL(node_datagrams_out, PART(tn_tunnel, out_bytes) + PART(tn_tunnel, out));
POOL(node_sockets, PART(tn_node, sockets));
POOL(node_interface, PART(tn_node, interface));
POOL(rings, TN_COMMAND_RING + TN_EVENT_RING + TN_DERP_RING);
POOL(crossing, TN_STACK_APART ? TN_CROSSING_OUT : 1);
POOL(each_stream, TN_STREAM_SEND + TN_STREAM_RECEIVE);
POOL(each_datagram_socket, TN_DATAGRAM_RECEIVE);
POOL(each_region, TN_DERP_QUEUE_BYTES + TN_DERP_QUEUE_DISCO_BYTES + sizeof(struct tn_derp));
POOL(each_peer, sizeof(struct tn_peer) + sizeof(struct tn_wg_peer) + PART(tn_tunnel, wg_indices) / TN_PEERS);
POOL(each_peer_keypair, sizeof(struct tn_keypair));
POOL(each_peer_handshake, sizeof(struct tn_handshake));
POOL(each_scanner, sizeof(struct tn_json));

/* Numbers instead of bytes: what a device has where nothing else is chosen. */
POOL(value_peers, TN_PEERS);
POOL(value_routes, TN_ROUTES);
POOL(value_flows, TN_FLOWS_MAX);
POOL(value_replayWindow, TN_REPLAY_BLOCKS * 64);
POOL(value_sockets, TN_SOCKETS);
POOL(value_halfOpen, TN_HALF_OPEN);
POOL(value_streamSend, TN_STREAM_SEND);
POOL(value_streamReceive, TN_STREAM_RECEIVE);
POOL(value_datagramReceive, TN_DATAGRAM_RECEIVE);
POOL(value_regions, TN_REGIONS);
POOL(value_subnetFlows, TN_SUBNET_FLOWS);
