/*
 * TCP of subnet routes, and what it shares with the rest (tn_subnet.c).
 */
#ifndef TN_SUBNET_STREAM_H
#define TN_SUBNET_STREAM_H

#include "tn_subnet.h"

#if TN_SUBNET

/** Takes a segment for a host below. */
void tn_subnet_take_segment(struct tn_subnet *subnet, uint8_t *bytes, const struct tn_packet *packet);

/** Moves what can be moved between both sides of an open flow, and ends it when both have ended. */
void tn_subnet_move(struct tn_forward *flow);

/** Tells the peer that its connection is refused. */
void tn_subnet_refuse(struct tn_forward *flow);

/** Lets go of a flow's side towards the peer: reset, if it is open. */
void tn_subnet_end_stream(struct tn_forward *flow);

/* ---- In tn_subnet.c ---- */

/** The flow of a packet, or NULL. */
struct tn_forward *tn_subnet_find(struct tn_subnet *subnet, bool is_of_kind(enum tn_forward_state state), const struct tn_packet *packet, uint16_t peer_port,
                                  uint16_t host_port);

/** Begins one. @return NULL, and counted, when there is no room */
struct tn_forward *tn_subnet_begin(struct tn_subnet *subnet, enum tn_forward_state state, const struct tn_packet *packet, uint16_t peer_port,
                                   uint16_t host_port);

/** Gives a flow back, with all it has. */
void tn_subnet_end(struct tn_forward *flow);

#endif
#endif
