/* After it. */
#pragma pack(pop)
