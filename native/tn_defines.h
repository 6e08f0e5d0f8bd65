/*
 * What an app chose in its manifest, "defines": { "tailnet": { "peers": 8, ... } }, which the SDK's tools write into mc.defines.h as MODDEF_TAILNET_PEERS and so on
 * (documentation/configuration.md). What the compiler is told directly (-DTN_PEERS=8) goes before it, the profile of tn_config.h after it.
 */
#ifndef TN_DEFINES_H
#define TN_DEFINES_H

#include <stdbool.h> /* a manifest's true is true here, also for the preprocessor */

#ifdef __has_include
#if __has_include("mc.defines.h")
#include "mc.defines.h"
#endif
#endif

#if defined(MODDEF_TAILNET_IPV6) && !defined(TN_IPV6)
#define TN_IPV6 MODDEF_TAILNET_IPV6
#endif
#if defined(MODDEF_TAILNET_SUBNET) && !defined(TN_SUBNET)
#define TN_SUBNET MODDEF_TAILNET_SUBNET
#endif
#if defined(MODDEF_TAILNET_SUBNETFLOWS) && !defined(TN_SUBNET_FLOWS)
#define TN_SUBNET_FLOWS MODDEF_TAILNET_SUBNETFLOWS
#endif
#if defined(MODDEF_TAILNET_PEERS) && !defined(TN_PEERS)
#define TN_PEERS MODDEF_TAILNET_PEERS
#endif
#if defined(MODDEF_TAILNET_ROUTES) && !defined(TN_ROUTES)
#define TN_ROUTES MODDEF_TAILNET_ROUTES
#endif
#if defined(MODDEF_TAILNET_FLOWS) && !defined(TN_FLOWS_MAX)
#define TN_FLOWS_MAX MODDEF_TAILNET_FLOWS
#endif
#if defined(MODDEF_TAILNET_REPLAYWINDOW) && !defined(TN_REPLAY_BLOCKS)
#define TN_REPLAY_BLOCKS (MODDEF_TAILNET_REPLAYWINDOW / 64)
_Static_assert(MODDEF_TAILNET_REPLAYWINDOW % 64 == 0, "tailnet.replayWindow: expected 128, 256, 512 ... 8192 packets");
#endif
#if defined(MODDEF_TAILNET_SOCKETS) && !defined(TN_SOCKETS)
#define TN_SOCKETS MODDEF_TAILNET_SOCKETS
#endif
#if defined(MODDEF_TAILNET_HALFOPEN) && !defined(TN_HALF_OPEN)
#define TN_HALF_OPEN MODDEF_TAILNET_HALFOPEN
#endif
#if defined(MODDEF_TAILNET_REGIONS) && !defined(TN_REGIONS)
#define TN_REGIONS MODDEF_TAILNET_REGIONS
#endif

/* Queues between the parts of the node: what is full waits, or is counted and sent again. */
#if defined(MODDEF_TAILNET_STAGED) && !defined(TN_STAGED)
#define TN_STAGED MODDEF_TAILNET_STAGED
#endif
#if defined(MODDEF_TAILNET_WAITING) && !defined(TN_WAITING)
#define TN_WAITING MODDEF_TAILNET_WAITING
#endif
#if defined(MODDEF_TAILNET_COMMANDRING) && !defined(TN_COMMAND_RING)
#define TN_COMMAND_RING MODDEF_TAILNET_COMMANDRING
#endif
#if defined(MODDEF_TAILNET_EVENTRING) && !defined(TN_EVENT_RING)
#define TN_EVENT_RING MODDEF_TAILNET_EVENTRING
#endif
#if defined(MODDEF_TAILNET_RELAYRING) && !defined(TN_DERP_RING)
#define TN_DERP_RING MODDEF_TAILNET_RELAYRING
#endif
#if defined(MODDEF_TAILNET_RELAYQUEUE) && !defined(TN_DERP_QUEUE_BYTES)
#define TN_DERP_QUEUE_BYTES MODDEF_TAILNET_RELAYQUEUE
#endif
#if defined(MODDEF_TAILNET_CROSSINGOUT) && !defined(TN_CROSSING_OUT)
#define TN_CROSSING_OUT MODDEF_TAILNET_CROSSINGOUT
#endif
#if defined(MODDEF_TAILNET_CONNECTIONRING) && !defined(TN_CONNECTION_RING)
#define TN_CONNECTION_RING MODDEF_TAILNET_CONNECTIONRING
#endif
#if defined(MODDEF_TAILNET_MAPBUFFER) && !defined(TN_MAP_BUFFER)
#define TN_MAP_BUFFER MODDEF_TAILNET_MAPBUFFER
#endif

/* Rings of sockets, on a board only: those of a desktop hold the windows of its lwIP. */
#ifdef TN_DEVICE
#if defined(MODDEF_TAILNET_STREAMSEND) && !defined(TN_STREAM_SEND)
#define TN_STREAM_SEND MODDEF_TAILNET_STREAMSEND
#endif
#if defined(MODDEF_TAILNET_STREAMRECEIVE) && !defined(TN_STREAM_RECEIVE)
#define TN_STREAM_RECEIVE MODDEF_TAILNET_STREAMRECEIVE
#endif
#if defined(MODDEF_TAILNET_DATAGRAMRECEIVE) && !defined(TN_DATAGRAM_RECEIVE)
#define TN_DATAGRAM_RECEIVE MODDEF_TAILNET_DATAGRAMRECEIVE
#endif
#endif

#endif
