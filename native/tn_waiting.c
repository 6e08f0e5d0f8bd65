/*
 * Packets and handshake messages for peers that are not configured.
 */
#include "tn_waiting.h"

#include <string.h>

void tn_waiting_init(struct tn_waiting *waiting)
{
	memset(waiting, 0, sizeof *waiting);
}

static bool is_earlier(const struct tn_waiting_packet *packet, const struct tn_waiting_packet *other)
{
	return other == NULL || (int32_t)(packet->number - other->number) < 0;
}

bool tn_waiting_add_packet(struct tn_waiting *waiting, unsigned version, const uint8_t *address, const uint8_t *packet, size_t length, uint64_t now)
{
	struct tn_waiting_packet *free_entry = NULL, *first = NULL, *forgotten = NULL;
	size_t size = version == 4 ? 4 : 16, same = 0;
	uint64_t asked_at = 0;
	if (length > TN_MTU)
		return false;
	for (size_t i = 0; i < TN_WAITING; i++) {
		struct tn_waiting_packet *entry = &waiting->packets[i];
		if (!entry->used) {
			free_entry = entry;
		} else if (entry->version == version && memcmp(entry->address, address, size) == 0) {
			same++;
			if (entry->asked_at > asked_at)
				asked_at = entry->asked_at;
			if (is_earlier(entry, first))
				first = entry;
		} else if (forgotten == NULL || entry->asked_at < forgotten->asked_at) {
			forgotten = entry;
		}
	}
	bool ask = same == 0 || now - asked_at >= TN_WAITING_ASK_MS;
	struct tn_waiting_packet *entry = same >= TN_WAITING_PER_ADDRESS || (same > 0 && free_entry == NULL) ? first : free_entry != NULL ? free_entry : forgotten;
	entry->used = true;
	entry->version = (uint8_t)version;
	memset(entry->address, 0, sizeof entry->address);
	memcpy(entry->address, address, size);
	entry->length = (uint16_t)length;
	memcpy(entry->bytes, packet, length);
	entry->number = waiting->number++;
	entry->added_at = now;
	entry->asked_at = ask ? now : asked_at;
	return ask;
}

struct tn_waiting_packet *tn_waiting_next(struct tn_waiting *waiting, const struct tn_waiting_packet *before)
{
	struct tn_waiting_packet *next = NULL;
	for (size_t i = 0; i < TN_WAITING; i++) {
		struct tn_waiting_packet *entry = &waiting->packets[i];
		if (entry->used && (before == NULL || is_earlier(before, entry)) && is_earlier(entry, next))
			next = entry;
	}
	return next;
}

bool tn_waiting_add_message(struct tn_waiting *waiting, const uint8_t key[32], const uint8_t *source, size_t source_length, uint16_t region,
                            const uint8_t *message, size_t length, uint64_t now)
{
	struct tn_waiting_message *entry = &waiting->messages[0];
	for (size_t i = 0; i < TN_WAITING; i++) {
		struct tn_waiting_message *candidate = &waiting->messages[i];
		if (candidate->used && memcmp(candidate->key, key, 32) == 0) {
			entry = candidate;
			break;
		}
		if (!candidate->used ? entry->used : entry->used && candidate->asked_at < entry->asked_at)
			entry = candidate;
	}
	bool known = entry->used && memcmp(entry->key, key, 32) == 0;
	bool ask = !known || now - entry->asked_at >= TN_WAITING_ASK_MS;
	if (!known) {
		entry->used = true;
		memcpy(entry->key, key, 32);
		entry->length = 0;
	}
	if (length <= sizeof entry->bytes && source_length <= sizeof entry->source) {
		entry->region = region;
		entry->length = (uint16_t)length;
		entry->source_length = (uint8_t)source_length;
		memcpy(entry->source, source, source_length);
		memcpy(entry->bytes, message, length);
	}
	if (ask)
		entry->asked_at = now;
	return ask;
}
