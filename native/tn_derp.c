/* DERP packet frames, see tn_derp.h. */
#include "tn_derp.h"

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

bool tn_derp_is_between_frames(const struct tn_derp *derp)
{
	return derp->have == 0 && derp->skip == 0;
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

/** What the head of a frame decides, which stands in derp->frame. @return false if the connection must end */
static bool accept_head(struct tn_derp *derp)
{
	const uint32_t length = tn_load32be(derp->frame + 1);
	if (length > TN_DERP_FRAME_LIMIT)
		return false;
	if (length <= TN_DERP_ASSEMBLY - TN_DERP_FRAME_HEADER)
		return true;
	/* Without these two there is no login; the VM would wait for them for ever. */
	if (derp->frame[0] == SERVER_KEY || derp->frame[0] == SERVER_INFO)
		return false;
	derp->too_long++;
	derp->skip = length;
	derp->have = 0;
	return true;
}

/** Length of the frame that begins here, 0 unless all of it is here and may be delivered. */
static size_t whole_frame(const uint8_t *bytes, size_t length)
{
	if (length < TN_DERP_FRAME_HEADER)
		return 0;
	const uint32_t payload = tn_load32be(bytes + 1);
	return payload <= TN_DERP_ASSEMBLY - TN_DERP_FRAME_HEADER && payload <= length - TN_DERP_FRAME_HEADER ? TN_DERP_FRAME_HEADER + payload : 0;
}

/** Copies what is there of the head, then of the body. @return bytes taken */
static size_t gather(struct tn_derp *derp, const uint8_t *bytes, size_t length)
{
	size_t wanted = TN_DERP_FRAME_HEADER;
	if (derp->have >= TN_DERP_FRAME_HEADER)
		wanted += tn_load32be(derp->frame + 1);
	wanted -= derp->have;
	const size_t taken = length < wanted ? length : wanted;
	memcpy(derp->frame + derp->have, bytes, taken);
	derp->have += (uint32_t)taken;
	return taken;
}

ptrdiff_t tn_derp_receive(struct tn_derp *derp, const uint8_t *bytes, size_t length, tn_derp_packet callback, void *context, uint8_t *rest, size_t rest_size)
{
	struct output output = {rest, rest_size, 0};
	bool good = !derp->broken;
	while (good && length > 0) {
		size_t taken = derp->have == 0 && derp->skip == 0 ? whole_frame(bytes, length) : 0;
		if (taken > 0) {
			good = deliver(bytes, taken, callback, context, &output);
		} else if (derp->skip > 0) {
			taken = length < derp->skip ? length : derp->skip;
			derp->skip -= (uint32_t)taken;
		} else {
			taken = gather(derp, bytes, length);
			if (derp->have == TN_DERP_FRAME_HEADER)
				good = accept_head(derp);
			if (good && derp->have >= TN_DERP_FRAME_HEADER && derp->have == whole_frame(derp->frame, derp->have)) {
				good = deliver(derp->frame, derp->have, callback, context, &output);
				derp->have = 0;
			}
		}
		bytes += taken;
		length -= taken;
	}
	derp->broken = !good;
	return good ? (ptrdiff_t)output.length : -1;
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
