/*
 * A node's counters by name, for tests and for those who ask why.
 */
#include "tn_node_internal.h"

#if TN_SUBNET
#define OF_SUBNET(member) node->interface.subnet.member
#else
#define OF_SUBNET(member) 0
#endif

size_t tn_node_vm_counters(struct tn_node *node, struct tn_counter *counters, size_t size)
{
	const struct tn_tunnel *tunnel = &node->tunnel;
	const struct tn_tunnel_counters *t = &tunnel->counters;
	const struct tn_wg_counters *w = &tunnel->wg.counters;
	const struct tn_socket_counters *s = &node->sockets.counters;
	const struct tn_counter all[] = {
	    {"datagramsIn", (double)t->datagrams_in},
	    {"datagramsOut", (double)t->datagrams_out},
	    {"derpPacketsIn", (double)t->derp_in},
	    {"derpPacketsOut", (double)t->derp_out},
	    {"packetsIn", (double)t->packets_in},
	    {"packetsOut", (double)t->packets_out},
	    {"genevePackets", t->geneve},
	    {"droppedWithoutKey", t->without_key},
	    {"droppedOversized", t->oversized},
	    {"droppedBadSource", t->bad_source},
	    {"droppedNotOwn", t->not_own},
	    {"droppedDerpMismatch", t->derp_mismatch},
	    {"droppedLoops", t->loops},
	    {"droppedDisco", (double)t->disco_limited + node->disco_limited},
	    {"filteredIn", t->filtered_in},
	    {"filteredOut", t->filtered_out},
	    {"noRoute", t->no_route},
	    {"noPath", t->no_path},
	    {"ownDestination", t->own_destination},
	    {"overCapacity", t->capacity},
	    {"tsmpPongs", t->pongs},
	    {"tsmpRejects", t->rejects},
	    {"rateLimited", t->rate_limited},
	    {"stagedDropped", tunnel->staged.dropped},
	    {"derpQueueDropped", tn_relay_dropped(&tunnel->relay)},
	    {"derpRingDropped", atomic_load_explicit(&node->derp_dropped, memory_order_relaxed)},
	    {"eventsDropped", node->events.dropped},
	    {"eventsTooLarge", node->too_large},
	    {"wireguardX25519", w->x25519},
	    {"wireguardMalformed", w->malformed},
	    {"wireguardBadMac1", w->bad_mac1},
	    {"wireguardBadHandshake", w->bad_handshake},
	    {"wireguardUnknownStatic", w->unknown_static},
	    {"wireguardCookieDemanded", w->cookie_demanded},
	    {"wireguardOverBudget", w->over_budget},
	    {"wireguardUnknownIndex", w->unknown_index},
	    {"wireguardExpired", w->expired},
	    {"wireguardBadTag", w->bad_tag},
	    {"wireguardReplayed", w->replayed},
	    {"wireguardBadInner", w->bad_inner},
	    {"wireguardClockBound", w->clock_bound},
	    {"wireguardInitiations", w->initiations},
	    {"wireguardAdopted", w->adopted},
	    {"streamsAccepted", s->accepted},
	    {"streamsConnected", s->connected},
	    {"streamsRefusedFull", s->refused_full},
	    {"streamsHalfOpenDropped", node->interface.half_open_dropped},
	    {"datagramsDropped", s->datagrams_dropped},
	    {"memoryRefused", (double)s->no_memory + t->no_memory + node->no_memory},
	    {"streamsOverrun", s->overruns},
	    {"segmentsScattered", node->interface.scattered},
	    {"droppedUnfit", node->interface.unfit},
	    {"segmentsCoalesced", node->interface.coalesced},
	    {"droppedNotOurs", node->interface.not_ours},
	    {"icmpIgnored", node->interface.icmp_ignored},
	    {"unreachableSuppressed", node->interface.unreachable_suppressed},
	    {"buffersLeaked", node->interface.leaked},
	    {"subnetFlows", OF_SUBNET(used)},
	    {"subnetOpened", OF_SUBNET(opened)},
	    {"subnetRefusedFull", OF_SUBNET(refused_full)},
	    {"subnetRefusedBelow", OF_SUBNET(refused_below)},
	    {"subnetFragments", OF_SUBNET(fragments)},
	    {"subnetTooLong", OF_SUBNET(too_long)},
	    {"socketsUsed", atomic_load_explicit(&node->sockets.used, memory_order_relaxed)},
	    {"poolPeers", TN_PEERS},
	    {"poolSockets", TN_SOCKETS},
	    {"poolRoutes", TN_ROUTES},
	    {"poolRegions", TN_REGIONS},
	    {"poolRelayBytes", TN_DERP_QUEUE_BYTES},
	    {"hasIPv6", TN_IPV6},
	    {"hasSubnet", TN_SUBNET},
	    {"bytesNode", (double)sizeof *node},
	};
	size_t count = sizeof all / sizeof all[0];
	for (size_t i = 0; i < count && i < size; i++)
		counters[i] = all[i];
	return count < size ? count : size;
}
