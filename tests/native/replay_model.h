/* Tests of tn_replay.h that hold for any size of the window: included by one test file a size. */
#define MODEL_SPAN 40000u

static uint8_t model_seen[MODEL_SPAN];

TN_TEST("the replay window agrees with a model that remembers everything")
{
	for (unsigned round = 0; round < 20; round++) {
		struct tn_replay window;
		uint64_t last = 0;
		tn_replay_reset(&window);
		memset(model_seen, 0, sizeof model_seen);
		uint32_t front = 0;
		for (unsigned i = 0; i < 20000; i++) {
			/* Mostly around the front, now and then a jump or something old. */
			const uint32_t kind = tn_test_random_below(100);
			uint32_t counter = front + tn_test_random_below(200);
			if (kind < 40)
				counter = counter > TN_REPLAY_WINDOW + 100 ? counter - tn_test_random_below(TN_REPLAY_WINDOW + 200) : 0;
			else if (kind == 99)
				counter += tn_test_random_below(TN_REPLAY_WINDOW * 2);
			if (counter >= MODEL_SPAN)
				break;
			const bool want = !model_seen[counter] && !(counter < last && last - counter > TN_REPLAY_WINDOW);
			if (!CHECK_EQ(tn_replay_accept(&window, counter), want))
				return;
			if (want)
				model_seen[counter] = 1;
			if (want && counter > last)
				last = counter;
			if (counter > front)
				front = counter;
		}
	}
}

TN_TEST("the replay window's edge is exact")
{
	struct tn_replay window;
	tn_replay_reset(&window);
	CHECK(tn_replay_accept(&window, 100000));
	CHECK(tn_replay_accept(&window, 100000 - TN_REPLAY_WINDOW));
	CHECK(!tn_replay_accept(&window, 100000 - TN_REPLAY_WINDOW - 1));
	CHECK(!tn_replay_accept(&window, 100000));
	CHECK(!tn_replay_accept(&window, TN_REJECT_AFTER_MESSAGES));
	CHECK(!tn_replay_accept(&window, UINT64_MAX));
	CHECK(tn_replay_accept(&window, TN_REJECT_AFTER_MESSAGES - 1));
	CHECK(!tn_replay_accept(&window, 100001));
}

TN_TEST("a window that refuses below a counter takes that one and those above, each once, and none below")
{
	const uint64_t nexts[] = {0, 1, 2, 63, 64, 65, 127, 128, TN_REPLAY_WINDOW, TN_REPLAY_WINDOW + 64, 1000003, (uint64_t)1 << 40};
	for (size_t i = 0; i < sizeof nexts / sizeof *nexts; i++) {
		const uint64_t next = nexts[i];
		struct tn_replay window;
		tn_replay_refuse_below(&window, next);
		CHECK_EQ(tn_replay_next(&window), next);
		for (uint64_t below = 1; below <= next && below <= TN_REPLAY_WINDOW + 200; below++)
			CHECK(!tn_replay_accept(&window, next - below));
		CHECK(tn_replay_accept(&window, next + 70));
		CHECK_EQ(tn_replay_next(&window), next + 71);
		for (uint64_t above = 0; above < 70; above++)
			CHECK(tn_replay_accept(&window, next + above) && !tn_replay_accept(&window, next + above));
		CHECK(!tn_replay_accept(&window, next + 70));
		CHECK(next == 0 || !tn_replay_accept(&window, next - 1));
		/* A lap later nothing of it is left. */
		CHECK(tn_replay_accept(&window, next + 4 * TN_REPLAY_WINDOW));
		for (uint64_t back = 1; back <= TN_REPLAY_WINDOW; back++)
			CHECK(tn_replay_accept(&window, next + 4 * TN_REPLAY_WINDOW - back));
	}
}

TN_TEST("the next counter is that after the highest")
{
	struct tn_replay window;
	tn_replay_reset(&window);
	CHECK_EQ(tn_replay_next(&window), 0);
	CHECK(tn_replay_accept(&window, 0));
	CHECK_EQ(tn_replay_next(&window), 1);
	CHECK(tn_replay_accept(&window, 500) && tn_replay_accept(&window, 499));
	CHECK_EQ(tn_replay_next(&window), 501);
}
