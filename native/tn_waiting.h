/*
 * What waits for a peer that is not configured: for each unknown destination some packets of ours, for each unknown key one handshake message. The VM is
 * asked once a second for each while something comes; when it has configured the peer, the packets go out and the message is taken in.
 * A table that is full gives the entry that was asked for longest ago to the newcomer, and a destination that has enough its own oldest one.
 */
#ifndef TN_WAITING_H
#define TN_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_config.h"
#include "tn_handshake.h"

#define TN_WAITING_ASK_MS 1000u
/** A packet or message older than this is not worth delivering. */
#define TN_WAITING_KEEP_MS 5000u

struct tn_waiting_packet {
	bool used;
	uint8_t address[16]; /* as in the packet: IPv4 in the first 4 bytes */
	uint8_t version;
	uint16_t length;
	uint32_t number; /* in the order of arrival */
	uint64_t added_at;
	uint64_t asked_at; /* for the address, as far as this packet knows: the latest of its packets counts */
	uint8_t bytes[TN_MTU];
};

struct tn_waiting_message {
	bool used;
	uint8_t key[32];
	uint8_t source[32]; /* endpoint 18, or node key 32 */
	uint8_t source_length;
	uint16_t region; /* 0: came by UDP */
	uint16_t length;
	uint64_t asked_at;
	uint8_t bytes[TN_INITIATION_SIZE];
};

struct tn_waiting {
	uint32_t number; /* of the next packet */
	struct tn_waiting_packet packets[TN_WAITING];
	struct tn_waiting_message messages[TN_WAITING];
};

void tn_waiting_init(struct tn_waiting *waiting);

/** Keeps a packet (at most TN_MTU bytes) for its destination. @return true when the VM must be asked now */
bool tn_waiting_add_packet(struct tn_waiting *waiting, unsigned version, const uint8_t *address, const uint8_t *packet, size_t length, uint64_t now);

/** The packet that came next after another one (NULL: the first of all), or NULL. Whoever takes one sets used to false. */
struct tn_waiting_packet *tn_waiting_next(struct tn_waiting *waiting, const struct tn_waiting_packet *before);

/** Keeps a message (not kept if longer than an initiation) from an unknown key. @return true when the VM must be asked now */
bool tn_waiting_add_message(struct tn_waiting *waiting, const uint8_t key[32], const uint8_t *source, size_t source_length, uint16_t region,
                            const uint8_t *message, size_t length, uint64_t now);

#endif
