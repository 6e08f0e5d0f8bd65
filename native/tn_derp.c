/* DERP packet frames, see tn_derp.h. */
#include "tn_derp.h"

#include <stdbool.h>
#include <string.h>

#include "tn_bytes.h"

enum {
	SERVER_KEY = 0x01,
	SERVER_INFO = 0x03,
	SEND_PACKET = 0x04,
	RECV_PACKET = 0x05,
};

#define PACKET_LIMIT 65536u

/** Where the frames that are not packets go. */
struct output {
	uint8_t *bytes;
	size_t size;
	size_t length;
};

void tn_derp_init(struct tn_derp *derp)
{
	memset(derp, 0, sizeof *derp);
}

void tn_derp_reset(struct tn_derp *derp)
{
	derp->skip = 0;
	derp->have = 0;
	derp->broken = 0;
}

/** Handles a whole frame. @return false if it does not fit the output */
static bool deliver(const uint8_t *frame, size_t length, tn_derp_packet callback, void *context, struct output *rest)
{
	if (frame[0] == RECV_PACKET) {
		if (length >= TN_DERP_PACKET_HEADER) /* shorter ones are skipped */
			callback(context, frame + TN_DERP_FRAME_HEADER, frame + TN_DERP_PACKET_HEADER, length - TN_DERP_PACKET_HEADER);
		return true;
	}
	if (length > rest->size - rest->length)
		return false;
	memcpy(rest->bytes + rest->length, frame, length);
	rest->length += length;
	return true;
}

/** What the head of a frame decides. @return false if the connection must end */
static bool accept_head(struct tn_derp *derp, const uint8_t *head)
{
	const uint32_t length = tn_load32be(head + 1);
	if (length > TN_DERP_FRAME_LIMIT)
		return false;
	if (length <= TN_DERP_ASSEMBLY - TN_DERP_FRAME_HEADER)
		return true;
	/* Without these two there is no login; the VM would wait for them for ever. */
	if (head[0] == SERVER_KEY || head[0] == SERVER_INFO)
		return false;
	derp->too_long++;
	derp->skip = length + TN_DERP_FRAME_HEADER;
	return true;
}

ptrdiff_t tn_derp_receive(struct tn_derp *derp, const uint8_t *bytes, size_t length, tn_derp_packet callback, void *context, uint8_t *rest,
	size_t rest_size)
{
	struct output output = {rest, rest_size, 0};
	if (derp->broken)
		return -1;
	while (length > 0) {
		size_t taken;
		if (derp->skip > 0) {
			taken = length < derp->skip ? length : derp->skip;
			derp->skip -= (uint32_t)taken;
		} else if (derp->have < TN_DERP_FRAME_HEADER && (derp->have > 0 || length < TN_DERP_FRAME_HEADER)) {
			/* A head that was cut: gather it. */
			derp->frame[derp->have++] = *bytes;
			taken = 1;
			if (derp->have == TN_DERP_FRAME_HEADER) {
				if (!accept_head(derp, derp->frame))
					goto broken;
				if (derp->skip > 0) {
					derp->skip -= TN_DERP_FRAME_HEADER;
					derp->have = 0;
				} else if (tn_load32be(derp->frame + 1) == 0) {
					derp->have = 0;
					if (!deliver(derp->frame, TN_DERP_FRAME_HEADER, callback, context, &output))
						goto broken;
				}
			}
		} else if (derp->have > 0) {
			/* A body that was cut. */
			const size_t frame = TN_DERP_FRAME_HEADER + tn_load32be(derp->frame + 1);
			const size_t wanted = frame - derp->have;
			taken = length < wanted ? length : wanted;
			memcpy(derp->frame + derp->have, bytes, taken);
			derp->have += (uint32_t)taken;
			if (derp->have == frame) {
				derp->have = 0;
				if (!deliver(derp->frame, frame, callback, context, &output))
					goto broken;
			}
		} else {
			/* A frame begins, with its whole head. */
			if (!accept_head(derp, bytes))
				goto broken;
			if (derp->skip > 0)
				continue;
			taken = TN_DERP_FRAME_HEADER + tn_load32be(bytes + 1);
			if (taken <= length) {
				if (!deliver(bytes, taken, callback, context, &output))
					goto broken;
			} else {
				taken = length;
				memcpy(derp->frame, bytes, taken);
				derp->have = (uint32_t)taken;
			}
		}
		bytes += taken;
		length -= taken;
	}
	return (ptrdiff_t)output.length;
broken:
	derp->broken = 1;
	return -1;
}

void tn_derp_write_header(uint8_t out[TN_DERP_PACKET_HEADER], const uint8_t destination[32], size_t length)
{
	out[0] = SEND_PACKET;
	tn_store32be(out + 1, (uint32_t)(TN_DERP_KEY + length));
	memcpy(out + TN_DERP_FRAME_HEADER, destination, TN_DERP_KEY);
}

size_t tn_derp_write_packet(uint8_t *out, size_t size, const uint8_t destination[32], const uint8_t *packet, size_t length)
{
	if (length > PACKET_LIMIT || size < TN_DERP_PACKET_HEADER + length)
		return 0;
	tn_derp_write_header(out, destination, length);
	if (length > 0)
		memcpy(out + TN_DERP_PACKET_HEADER, packet, length);
	return TN_DERP_PACKET_HEADER + length;
}
