/*
 * WireGuard devices in one process with a simulated clock: what one sends is queued, recorded, and delivered when the test says so.
 *
 *   struct device *a = device_new(), *b = device_new();
 *   pair(a, 0, b, 0);                  // each other's peer
 *   device_send(a, 0, 100);            // an inner packet of 100 bytes: sealed, or staged and a handshake started
 *   pump();                            // deliver until nothing is in flight
 *   advance(a_time);                   // run both clocks there, ticking at every deadline, delivering at once
 */
#ifndef TN_PAIR_H
#define TN_PAIR_H

#include "tn_bytes.h"
#include "tn_script.h"
#include "tn_wireguard.h"
#include "tn_wireguard_internal.h"

#define DEVICES 4
#define SLOTS 4
#define IN_FLIGHT 512
#define RECORDED 4096
#define DATAGRAM 1600

struct device {
	struct tn_wg wg;
	struct tn_wg_peer peers[SLOTS];
	struct tn_wg_index indices[TN_WG_INDICES(SLOTS)];
	struct device *remote[SLOTS]; /* who the slot's peer is */
	unsigned staged[SLOTS], dropped[SLOTS], idle[SLOTS];
	size_t staged_length[SLOTS];
	unsigned received[SLOTS]; /* inner packets */
	unsigned keepalives[SLOTS];
	struct tn_wg_in in;         /* of the last datagram */
	uint8_t datagram[DATAGRAM]; /* the last datagram, as tn_wg_receive left it */
	uint8_t source[18];         /* this device's address, as others see it */
	uint8_t private_key[32];
};

struct flight {
	struct device *from, *to;
	size_t length;
	bool lost;
	uint8_t bytes[DATAGRAM];
};

struct recorded {
	struct device *from;
	uint64_t at;
	uint8_t type;
	size_t length;
	uint8_t head[148];
};

static struct device devices[DEVICES];
static unsigned device_count;
static struct flight flights[IN_FLIGHT];
static unsigned flight_head, flight_tail;
static struct recorded records[RECORDED];
static unsigned record_count;
static uint64_t now;
/* Decides which datagrams are lost; NULL: none. */
static bool (*lose)(const struct device *from, const uint8_t *datagram, size_t length);

static void post(struct device *from, struct device *to, const uint8_t *bytes, size_t length)
{
	if (record_count < RECORDED) {
		struct recorded *record = &records[record_count++];
		record->from = from;
		record->at = now;
		record->type = bytes[0];
		record->length = length;
		memcpy(record->head, bytes, length < sizeof record->head ? length : sizeof record->head);
	}
	if (!to || (lose && lose(from, bytes, length)))
		return;
	struct flight *flight = &flights[flight_tail++ % IN_FLIGHT];
	CHECK(flight_tail - flight_head <= IN_FLIGHT && length <= DATAGRAM);
	flight->from = from;
	flight->to = to;
	flight->length = length;
	memcpy(flight->bytes, bytes, length);
}

static bool host_has_staged(void *context, unsigned slot)
{
	return ((struct device *)context)->staged[slot] > 0;
}

static void host_send(void *context, unsigned slot, const uint8_t *datagram, size_t length)
{
	struct device *device = context;
	post(device, device->remote[slot], datagram, length);
}

static void host_drop_staged(void *context, unsigned slot)
{
	struct device *device = context;
	device->dropped[slot]++;
	device->staged[slot] = 0;
}

static void host_idle(void *context, unsigned slot)
{
	((struct device *)context)->idle[slot]++;
}

/* Forgets all devices and what is in flight; time starts anew. */
static inline void world_reset(uint64_t time)
{
	device_count = 0;
	flight_head = flight_tail = record_count = 0;
	lose = NULL;
	now = time;
}

static inline struct device *device_with_key(const uint8_t key[32])
{
	struct device *device = &devices[device_count++];
	memset(device, 0, sizeof *device);
	const struct tn_wg_host host = {device, host_has_staged, host_send, host_drop_staged, host_idle};
	memcpy(device->private_key, key, 32);
	tn_wg_init(&device->wg, device->peers, SLOTS, device->indices, &host);
	tn_wg_set_key(&device->wg, key, now);
	tn_clock_init(&device->wg.clock, 1764000000000u, 1764000000u + 1000000, now);
	const uint8_t address[18] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, (uint8_t)device_count, 0xa2, 0xa9};
	memcpy(device->source, address, sizeof address);
	return device;
}

static inline struct device *device_new(void)
{
	uint8_t key[32];
	tn_test_random_bytes(key, sizeof key);
	return device_with_key(key);
}

static inline void pair(struct device *a, unsigned a_slot, struct device *b, unsigned b_slot)
{
	CHECK(tn_wg_peer_add(&a->wg, a_slot, b->wg.identity.public_key, now));
	CHECK(tn_wg_peer_add(&b->wg, b_slot, a->wg.identity.public_key, now));
	a->remote[a_slot] = b;
	b->remote[b_slot] = a;
}

/* An IPv4 packet of that length. */
static inline void fill_packet(uint8_t *packet, size_t length)
{
	for (size_t i = 0; i < length; i++)
		packet[i] = (uint8_t)(i * 7);
	if (length >= 20) {
		packet[0] = 0x45;
		tn_store16be(packet + 2, (uint16_t)length);
	}
}

/* Seals a packet and gives the datagram's length; 0 without a session. */
static inline size_t device_seal(struct device *device, unsigned slot, size_t length, uint8_t datagram[DATAGRAM])
{
	fill_packet(datagram + TN_WG_HEADER, length);
	return tn_wg_seal(&device->wg, slot, datagram + TN_WG_HEADER, length, now);
}

/* Sends an inner packet, or stages it and asks for a handshake. */
static inline void device_send(struct device *device, unsigned slot, size_t length)
{
	uint8_t datagram[DATAGRAM];
	const size_t sealed = device_seal(device, slot, length, datagram);
	if (sealed > 0) {
		post(device, device->remote[slot], datagram, sealed);
	} else {
		device->staged[slot]++;
		device->staged_length[slot] = length;
		(void)tn_wg_initiate(&device->wg, slot, now);
	}
	if (now >= tn_wg_next_deadline(&device->wg))
		tn_wg_tick(&device->wg, now);
}

/* Hands a datagram to a device and does what it asks for. */
static inline void deliver_from(struct device *from, struct device *to, const uint8_t *bytes, size_t length)
{
	static const uint8_t nowhere[18] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 1, 1, 1};
	memcpy(to->datagram, bytes, length);
	tn_wg_receive(&to->wg, to->datagram, length, from ? from->source : nowhere, 18, now, &to->in);
	const struct tn_wg_in *in = &to->in;
	if (in->reply_to == TN_WG_REPLY_PATH)
		post(to, to->remote[in->slot], in->reply, in->reply_length);
	else if (in->reply_to == TN_WG_REPLY_SOURCE)
		post(to, from, in->reply, in->reply_length);
	if (in->kind == TN_WG_DATA)
		to->received[in->slot]++;
	if (in->kind == TN_WG_KEEPALIVE)
		to->keepalives[in->slot]++;
	while ((in->events & TN_WG_FLUSH) && to->staged[in->slot] > 0) {
		uint8_t datagram[DATAGRAM];
		const size_t sealed = device_seal(to, in->slot, to->staged_length[in->slot], datagram);
		CHECK(sealed > 0);
		post(to, to->remote[in->slot], datagram, sealed);
		to->staged[in->slot]--;
	}
}

static inline void deliver(struct device *to, const uint8_t *bytes, size_t length)
{
	deliver_from(NULL, to, bytes, length);
}

/* Delivers the oldest datagram in flight. @return false when there is none */
static inline bool pump_one(void)
{
	if (flight_head == flight_tail)
		return false;
	struct flight *flight = &flights[flight_head++ % IN_FLIGHT];
	deliver_from(flight->from, flight->to, flight->bytes, flight->length);
	return true;
}

static inline void pump(void)
{
	for (unsigned i = 0; i < 10000 && pump_one(); i++)
		;
	CHECK(flight_head == flight_tail);
}

/* Runs all clocks to a time: ticks at every deadline, delivers at once. */
static inline void advance(uint64_t until)
{
	for (unsigned step = 0; step < 1000000; step++) {
		pump();
		uint64_t next = TN_WG_NO_DEADLINE;
		for (unsigned i = 0; i < device_count; i++)
			if (tn_wg_next_deadline(&devices[i].wg) < next)
				next = tn_wg_next_deadline(&devices[i].wg);
		if (next > until)
			break;
		if (next > now)
			now = next;
		for (unsigned i = 0; i < device_count; i++)
			if (now >= tn_wg_next_deadline(&devices[i].wg)) {
				tn_wg_tick(&devices[i].wg, now);
				CHECK(tn_wg_next_deadline(&devices[i].wg) > now);
			}
	}
	now = until;
}

/* How many datagrams of a type a device sent, from a record on. */
static inline unsigned count_sent(const struct device *from, uint8_t type, unsigned since)
{
	unsigned count = 0;
	for (unsigned i = since; i < record_count; i++)
		if (records[i].from == from && records[i].type == type)
			count++;
	return count;
}

static inline unsigned count_keepalives(const struct device *from, unsigned since)
{
	unsigned count = 0;
	for (unsigned i = since; i < record_count; i++)
		if (records[i].from == from && records[i].type == 4 && records[i].length == 32)
			count++;
	return count;
}

static inline const struct recorded *last_sent(const struct device *from, uint8_t type)
{
	for (unsigned i = record_count; i-- > 0;)
		if (records[i].from == from && records[i].type == type)
			return &records[i];
	static const struct recorded none;
	return &none;
}

/* Everything of a device that a dropped datagram must leave alone: all but the counters and the load state. */
struct snapshot {
	struct tn_wg_peer peers[SLOTS];
	struct tn_wg_index indices[TN_WG_INDICES(SLOTS)];
	uint64_t deadline;
};

static inline void snapshot(const struct device *device, struct snapshot *out)
{
	memcpy(out->peers, device->peers, sizeof out->peers);
	memcpy(out->indices, device->indices, sizeof out->indices);
	out->deadline = device->wg.deadline;
}

static inline bool unchanged(const struct device *device, const struct snapshot *before)
{
	return CHECK(memcmp(before->peers, device->peers, sizeof before->peers) == 0) &&
	       CHECK(memcmp(before->indices, device->indices, sizeof before->indices) == 0) && CHECK(before->deadline == device->wg.deadline);
}

/* Nothing came of the last datagram. */
static inline bool ignored(const struct device *device)
{
	return CHECK_EQ(device->in.kind, TN_WG_NOTHING) && CHECK_EQ(device->in.events & ~(unsigned)TN_WG_CLAIMED, 0) &&
	       CHECK_EQ(device->in.reply_to, TN_WG_REPLY_NONE);
}

/* Two devices with a session that a initiated, confirmed on both sides. */
static inline void session(struct device **a, struct device **b)
{
	world_reset(1000);
	*a = device_new();
	*b = device_new();
	pair(*a, 0, *b, 0);
	device_send(*a, 0, 100);
	pump();
	CHECK(tn_wg_has_session(&(*a)->wg, 0, now) && tn_wg_has_session(&(*b)->wg, 0, now));
	CHECK_EQ((*b)->received[0], 1);
}

/* What may be lost on the way. */
static inline bool lose_all(const struct device *from, const uint8_t *datagram, size_t length)
{
	(void)from, (void)datagram, (void)length;
	return true;
}

static inline bool lose_handshakes(const struct device *from, const uint8_t *datagram, size_t length)
{
	(void)from, (void)length;
	return datagram[0] != 4;
}

static inline bool lose_data(const struct device *from, const uint8_t *datagram, size_t length)
{
	(void)from;
	return datagram[0] == 4 && length > 32;
}

/* Two devices that know each other and have said nothing. */
static inline void pair_only(struct device **a, struct device **b)
{
	world_reset(1000);
	*a = device_new();
	*b = device_new();
	pair(*a, 0, *b, 0);
}

/* A fresh pair and a's initiation, not delivered. */
static inline void initiation(struct device **a, struct device **b, uint8_t message[148])
{
	world_reset(1000);
	*a = device_new();
	*b = device_new();
	pair(*a, 0, *b, 0);
	(*a)->staged[0] = 1;
	(*a)->staged_length[0] = 100;
	CHECK(tn_wg_initiate(&(*a)->wg, 0, now));
	memcpy(message, last_sent(*a, 1)->head, 148);
	flight_head = flight_tail;
}

#endif
