/*
 * Packets that wait for a session.
 */
#include "tn_staged.h"

#include <string.h>

void tn_staged_init(struct tn_staged *staged)
{
	for (size_t i = 0; i < TN_STAGED; i++)
		staged->packets[i].next = (uint16_t)(i + 1 < TN_STAGED ? i + 1 : TN_STAGED_NONE);
	staged->free = 0;
	staged->dropped = 0;
}

void tn_staged_list_init(struct tn_staged_list *list)
{
	*list = (struct tn_staged_list){.first = TN_STAGED_NONE, .last = TN_STAGED_NONE};
}

const struct tn_staged_packet *tn_staged_front(const struct tn_staged *staged, const struct tn_staged_list *list)
{
	return list->count > 0 ? &staged->packets[list->first] : NULL;
}

void tn_staged_pop(struct tn_staged *staged, struct tn_staged_list *list)
{
	if (list->count == 0)
		return;
	uint16_t index = list->first;
	list->first = staged->packets[index].next;
	list->count--;
	if (list->count == 0)
		tn_staged_list_init(list);
	staged->packets[index].next = staged->free;
	staged->free = index;
}

void tn_staged_push(struct tn_staged *staged, struct tn_staged_list *list, const uint8_t *packet, size_t length)
{
	if (length > TN_MTU)
		return;
	if (list->count >= TN_STAGED_PER_PEER || staged->free == TN_STAGED_NONE) {
		staged->dropped++;
		tn_staged_pop(staged, list);
		if (staged->free == TN_STAGED_NONE)
			return;
	}
	uint16_t index = staged->free;
	struct tn_staged_packet *place = &staged->packets[index];
	staged->free = place->next;
	place->next = TN_STAGED_NONE;
	place->length = (uint16_t)length;
	memcpy(place->bytes, packet, length);
	if (list->count == 0)
		list->first = index;
	else
		staged->packets[list->last].next = index;
	list->last = index;
	list->count++;
}

void tn_staged_drop(struct tn_staged *staged, struct tn_staged_list *list)
{
	while (list->count > 0) {
		tn_staged_pop(staged, list);
		staged->dropped++;
	}
}
