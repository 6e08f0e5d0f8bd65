/*
 * The frames of a DERP connection that carry packets (protocol/relay.md §3.5):
 *
 *   0   type: 04 SendPacket (to the server), 05 RecvPacket (from it)
 *   1   length of the rest, big-endian
 *   5   node key of the destination or the source 32
 *   37  packet
 *
 * Receiving: bytes in, as TLS hands them out, cut anywhere. RecvPacket frames are called back; all other frames go, whole and in order, to
 * an output for the VM, which speaks the rest of the protocol. A packet that is too large is skipped while counting, not an error.
 */
#ifndef TN_DERP_H
#define TN_DERP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest packet taken from RecvPacket. Data is at most MTU + 32, DISCO at most 1,500. */
#ifndef TN_DERP_PACKET_MAX
#define TN_DERP_PACKET_MAX 2048
#endif

#define TN_DERP_KEY 32
#define TN_DERP_FRAME_HEADER 5
/** Bytes in front of a packet in SendPacket and RecvPacket. */
#define TN_DERP_PACKET_HEADER (TN_DERP_FRAME_HEADER + TN_DERP_KEY)
/** A client ends the connection on a longer frame. */
#define TN_DERP_FRAME_LIMIT 1048576u
/** Largest frame that is assembled; others are skipped. */
#define TN_DERP_ASSEMBLY (TN_DERP_PACKET_HEADER + TN_DERP_PACKET_MAX)

/** State of one connection. */
struct tn_derp {
	uint32_t skip;     /* bytes of a frame still to be thrown away */
	uint32_t have;     /* bytes in frame */
	uint32_t too_long; /* frames skipped for their length since the beginning */
	uint8_t broken;
	uint8_t frame[TN_DERP_ASSEMBLY];
};

/**
 * One packet received. The bytes belong to the callee only during the call, and must not be written to.
 * @param source node key 32; as trustworthy as the server
 * @param packet length bytes, 0..TN_DERP_PACKET_MAX
 */
typedef void (*tn_derp_packet)(void *context, const uint8_t source[32], const uint8_t *packet, size_t length);

/** A new connection begins. too_long is kept. */
void tn_derp_reset(struct tn_derp *derp);

/** A derp that was never used: all zero. */
void tn_derp_init(struct tn_derp *derp);

/** Whether no frame has begun that is not complete: then a new connection may use derp, and lose nothing of the old one. */
bool tn_derp_is_between_frames(const struct tn_derp *derp);

/**
 * Takes the next length bytes of the connection.
 * @param rest receives the other frames, header included, each once it is complete
 * @param rest_size at least length + TN_DERP_ASSEMBLY, so that everything fits
 * @return bytes written to rest; -1 when the stream is broken: a frame above TN_DERP_FRAME_LIMIT, a ServerKey or ServerInfo that cannot be assembled, or
 *         rest_size too small. It stays broken until tn_derp_reset
 */
ptrdiff_t tn_derp_receive(struct tn_derp *derp, const uint8_t *bytes, size_t length, tn_derp_packet callback, void *context, uint8_t *rest, size_t rest_size);

/** Writes the header of a SendPacket frame; the packet (length bytes, at most 65,536) follows it. */
void tn_derp_write_header(uint8_t out[TN_DERP_PACKET_HEADER], const uint8_t destination[32], size_t length);

/** Writes a whole SendPacket frame. @return its length, 0 if it does not fit into size or the packet is above 65,536 bytes */
size_t tn_derp_write_packet(uint8_t *out, size_t size, const uint8_t destination[32], const uint8_t *packet, size_t length);

#endif
