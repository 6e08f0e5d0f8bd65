/* tn_replay.h with the window of the official node, against the vectors; and a model that remembers everything. */
#define TN_REPLAY_BLOCKS 128
#include "../../native/tn_replay.c"

#include "tn_vectors.h"
#include "vectors_wireguard.h"

TN_VECTOR_TEST("wireguard", "[tunnel 35] every replay vector")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "replay");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		struct tn_replay window;
		TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
		const struct tn_vector *counters = tn_vector_get(&list->items[i], "counters"), *accepted = tn_vector_get(&list->items[i], "accepted");
		tn_replay_reset(&window);
		REQUIRE(counters->count == accepted->count && counters->count > 0);
		for (size_t k = 0; k < counters->count; k++) {
			const bool got = tn_replay_accept(&window, tn_vector_number(&counters->items[k]));
			if (!CHECK_EQ(got, tn_vector_true(&accepted->items[k])))
				printf("# %s, counter %s\n", tn_vector_get(&list->items[i], "name")->text, counters->items[k].text);
		}
	}
}

TN_VECTOR_TEST("wireguard", "[tunnel 35] the limits are those of the vectors")
{
	const struct tn_vector *constants = tn_vector_get(&tn_vectors_wireguard, "constants");
	REQUIRE_VECTORS(constants);
	TEST_VECTOR("constants");
	CHECK_EQ(tn_vector_number(tn_vector_get(constants, "reject_after_messages")), TN_REJECT_AFTER_MESSAGES);
	CHECK_EQ(tn_vector_number(tn_vector_get(constants, "rekey_after_messages")), 1ull << 60);
	CHECK_EQ(TN_REPLAY_WINDOW, 8128);
}

#include "replay_model.h"
